/** The import directions of docs/design.md section 5. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'common-imports-nobody', severity: 'error', from: { path: '^src/common' }, to: { path: '^src/(?!common|optimizers)' } },
    { name: 'optimizers-are-leaves', severity: 'error', from: { path: '^src/optimizers' }, to: { path: '^src/(?!optimizers|common/errors)' } },
    { name: 'only-planes-and-workers-see-a-gradient', severity: 'error', from: { path: '^src', pathNot: '^src/(coordinator/planes/exact|worker|wire|common)/' }, to: { path: '^src/common/host_gradient' } },
    { name: 'common-is-pure', severity: 'error', from: { path: '^src/(common|optimizers)' }, to: { dependencyTypes: ['core'] } },
    { name: 'coordinator-never-loads-tensorflow', severity: 'error', from: { path: '^src/coordinator' }, to: { path: '^src/(engine|worker|cli|models)|@tensorflow|koffi' } },
    { name: 'coordinator-rooms-know-no-loop', severity: 'error', from: { path: '^src/coordinator/[^/]+/' }, to: { path: '^src/coordinator/[^/]+$' } },
    { name: 'coordinator-leaves', severity: 'error', from: { path: '^src/coordinator/(planes/exact/fleet|files)/' }, to: { path: '^src/coordinator/[^/]+/', pathNot: '^src/coordinator/$1/' } },
    { name: 'cluster-knows-the-fleet', severity: 'error', from: { path: '^src/coordinator/cluster/' }, to: { path: '^src/coordinator/(?!cluster/|planes/exact/fleet/)' } },
    { name: 'a-plane-knows-no-room-but-its-own', severity: 'error', from: { path: '^src/coordinator/planes/' }, to: { path: '^src/coordinator/(?!planes/)' } },
    { name: 'state-knows-files', severity: 'error', from: { path: '^src/coordinator/state/' }, to: { path: '^src/coordinator/(?!state/|files/)' } },
    { name: 'run-folder-knows-state-and-files', severity: 'error', from: { path: '^src/coordinator/run_folder/' }, to: { path: '^src/coordinator/(?!run_folder/|state/|files/)' } },
    { name: 'worker-not-coordinator', severity: 'error', from: { path: '^src/worker' }, to: { path: '^src/(coordinator|cli)' } },
    { name: 'engine-knows-nothing-of-training', severity: 'error', from: { path: '^src/engine' }, to: { path: '^src/(?!engine|common)' } },
    { name: 'data-and-models-are-leaves', severity: 'error', from: { path: '^src/(data|models)' }, to: { path: '^src/(worker|coordinator|cli|engine)' } },
    { name: 'only-cli-is-top', severity: 'error', from: { path: '^src/(?!cli)' }, to: { path: '^src/cli' } },
  ],
  options: { doNotFollow: { path: 'node_modules' }, tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' } },
};
