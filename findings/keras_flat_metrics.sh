#!/usr/bin/env bash
# `compile(metrics=['mae', 'mse'])` of a model with two outputs: tf_keras 2.21.0 gives both metrics to each output, Keras 3.15.1 the first metric to the
# first output and the second to the second, without a word. With one metric, or three, Keras 3.15.1 raises a ValueError where tf_keras trains. A list
# for each output, [['mae'], ['mse']], means the same in both. Who moves a program from one to the other reads other columns under one line of code.
#
# Installs tensorflow-cpu 2.21.0, keras 3.15.1 and tf_keras 2.21.0 in a temporary folder. Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 keras==3.15.1 tf_keras==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cat > "$dir/run.py" <<'PY'
import numpy as np, keras, tf_keras

x, y = np.ones((4, 1), 'float32'), [np.zeros((4, 1), 'float32')] * 2


def told(library, metrics):
    entry = library.Input((1,))
    outputs = [library.layers.Dense(1, name=name)(entry) for name in 'ab']
    model = library.Model(entry, outputs)
    try:
        model.compile(optimizer='sgd', loss='mse', metrics=metrics)
        return sorted(name for name in model.evaluate(x, y, verbose=0, return_dict=True) if not name.endswith('loss'))
    except ValueError as error:
        return 'ValueError: ' + str(error).splitlines()[0]


WANTED = [
    (['mae'], ['a_mae', 'b_mae'], None),
    (['mae', 'mse'], ['a_mae', 'a_mse', 'b_mae', 'b_mse'], ['a_mae', 'b_mse']),
    (['mae', 'mse', 'mape'], ['a_mae', 'a_mape', 'a_mse', 'b_mae', 'b_mape', 'b_mse'], None),
    ([['mae'], ['mse']], ['a_mae', 'b_mse'], ['a_mae', 'b_mse']),
]
same = True
for metrics, in_tf_keras, in_keras in WANTED:
    of_tf_keras, of_keras = told(tf_keras, metrics), told(keras, metrics)
    print(f'metrics={metrics}\n  tf_keras {tf_keras.__version__}: {of_tf_keras}\n  Keras {keras.__version__}: {of_keras}')
    refused = isinstance(of_keras, str) and of_keras.startswith('ValueError')
    same &= of_tf_keras == in_tf_keras and (refused if in_keras is None else of_keras == in_keras)
if not same:
    raise SystemExit('CHANGED: a flat list of metrics means the same in both, or another thing')
PY
CUDA_VISIBLE_DEVICES='' KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 PYTHONPATH="$dir/site" python3 "$dir/run.py" 2> "$dir/log" || { cat "$dir/log"; exit 1; }
