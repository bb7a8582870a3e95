import { expect, test } from 'vitest';
import { augmentationList, AUGMENTATIONS, readAugmentation } from '../../src/common/augmentation.js';
import { configLayerSchema, workerSettingSchemas } from '../../src/common/settings/schema.js';

const LIST = [
  'flip',
  'flip both on left',
  'shift 2',
  'shift 3 fill edge on left',
  'rotate 15',
  'zoom 0.1',
  'label_smoothing 0.1',
  'mixup 0.2',
];

test('a list is the same in mappings, in words and joined by commas, and reading it again changes nothing', () => {
  const mappings = [
    ...[
      'flip',
      { on: 'left', flip: 'both' },
      { shift: 2 },
      { shift: 3, fill: 'edge', on: 'left' },
      { rotate: 15 },
      { zoom: 0.1 },
    ],
    ...[{ labelSmoothing: 0.1 }, { mixup: 0.2 }],
  ];
  for (const given of [mappings, LIST, LIST.join(', '), LIST.join(',').replaceAll(' ', ': ')])
    expect(augmentationList(given)).toEqual(LIST);
  expect([augmentationList('none'), augmentationList([]), augmentationList('')]).toEqual([[], [], []]);
  expect([augmentationList({ crop: 4 }), augmentationList([{ flip: true }, 'cutout 3 on x'])]).toEqual([
    ['shift 4'],
    ['flip', 'cutout 3 on x'],
  ]);
  expect(augmentationList('flip horizontal, label-smoothing 0.1')).toEqual(['flip', 'label_smoothing 0.1']);
});

test('every one is read with what it takes', () => {
  expect(readAugmentation('rotate 15.5 on a fill reflect')).toEqual({
    ...{ name: 'rotate', amount: 15.5, direction: 'horizontal', fill: 'reflect', on: 'a' },
  });
  const wrong = {
    flip: '0.5',
    shift: '1.5',
    rotate: '181',
    zoom: '1',
    brightness: '0',
    contrast: '1.1',
    cutout: '0',
    label_smoothing: '1',
    mixup: '-1',
  };
  expect(Object.keys(wrong)).toEqual(Object.keys(AUGMENTATIONS));
  for (const [name, amount] of Object.entries(wrong)) {
    expect(() => augmentationList(`${name} ${amount}`), name).toThrow(/in which|takes/);
    if (name !== 'flip') expect(() => augmentationList(name), name).toThrow(`${name} takes`);
  }
});

const messageOf = (augment: unknown): string | undefined => configLayerSchema.safeParse({ augment }).error?.issues[0].message;

test('what is wrong finishes the sentence "augment must be …"', () => {
  expect(messageOf(['flipp'])).toBe(`a list of ${Object.keys(AUGMENTATIONS).join(', ')} (did you mean flip by "flipp"?)`);
  expect(messageOf('shift 2 fill black')).toBe('a list of augmentations, in which fill is zero, edge, reflect');
  expect(messageOf('flip fill edge')).toBe('a list of augmentations, in which flip takes horizontal, vertical, both; on NAME');
  expect(messageOf('shift 2 3')).toContain('shift takes a whole number of pixels, 1 or more; fill zero|edge|reflect; on NAME');
  expect(messageOf('mixup 0.2 on x')).toContain('in which mixup takes');
  expect(messageOf([{ shift: 2, rotate: 3 }])).toBe('a list with one augmentation in each mapping, found shift, rotate');
  expect(messageOf([{ shift: 2, on: 'a b' }])).toContain('have no spaces, commas or colons');
  expect(messageOf([[1]])).toContain('a list such as [flip');
  expect(messageOf([{}])).toContain('found none');
  expect(messageOf(5)).toContain('a list such as [flip');
  expect(messageOf('mixup 1, mixup 2')).toBe('a list with one mixup at most');
  expect(messageOf(Array.from({ length: 17 }, () => 'flip'))).toBe('a list of at most 16 augmentations');
  expect(messageOf('__proto__')).toContain('a list of flip');
});

test('the wire takes the list in its own words', () => {
  expect(workerSettingSchemas().augment.parse(LIST)).toEqual(LIST);
});
