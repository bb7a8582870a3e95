/**
 * Owns: which official wheels make a TensorFlow for this machine, pinned by version and SHA-256, and what is kept of them.
 * Does not: fetch them (fetch.ts).
 *
 * To move to another TensorFlow: `python3 -m pip download --no-deps` each requirement for its platform, `pip hash` it, and run
 * `npm run test:tfjs-core`.
 */
import { EnvironmentError } from '../../common/errors.js';

export const TENSORFLOW_VERSION = '2.21.0';

/** Patch releases keep the C API and the kernels. */
export function isSupportedVersion(version: string): boolean {
  const [major, minor] = TENSORFLOW_VERSION.split('.');
  return version.startsWith(`${major}.${minor}.`);
}

export interface Wheel {
  /** Exact, as pip takes it: `tensorflow-cpu==2.21.0`. */
  readonly requirement: string;
  readonly sha256: string;
  /** Of the wheel, for progress and the check of free space. */
  readonly bytes: number;
}

/** What is fetched together into one folder, laid out like Python's site-packages, by which the libraries find each other. */
export interface Distribution {
  readonly kind: 'cpu' | 'cuda';
  /** Name of the folder in the cache. */
  readonly name: string;
  /** pip's names for the platform, best first. */
  readonly pipPlatforms: readonly string[];
  readonly wheels: readonly Wheel[];
  /** Of the extracted files. */
  readonly installedBytes: number;
}

/** Files kept of a wheel: the libraries that are opened, what CUDA compiles with, and the licenses. Given to Python's `re`. */
export const KEPT_FILES = [
  String.raw`tensorflow/libtensorflow_(cc|framework)\.[^/]*`,
  String.raw`tensorflow/THIRD_PARTY_NOTICES\.txt`,
  String.raw`nvidia/[^/]+/lib/(?!.*(\.alt\.|cusolverMg|cufftw|nvperf|checkpoint))[^/]*\.so[.0-9]*`,
  String.raw`nvidia/cuda_nvcc/bin/ptxas`,
  String.raw`nvidia/cuda_nvcc/nvvm/libdevice/.*`,
  String.raw`[^/]+\.dist-info/(METADATA|(licenses/)?(License|LICENSE)[^/]*)`,
].join('|');

const CUDA_WHEELS: readonly Wheel[] = [
  wheel('nvidia-cublas-cu12==12.9.3.13', 581217458, 'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72'),
  wheel('nvidia-cuda-cupti-cu12==12.9.79', 10814997, '096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f'),
  wheel('nvidia-cuda-nvcc-cu12==12.9.86', 40546229, '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0'),
  wheel('nvidia-cuda-nvrtc-cu12==12.9.86', 89568129, '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4'),
  wheel('nvidia-cuda-runtime-cu12==12.9.79', 3493179, '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3'),
  wheel('nvidia-cudnn-cu12==9.28.0.42', 716538495, '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375'),
  wheel('nvidia-cufft-cu12==11.4.1.4', 200877592, 'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28'),
  wheel('nvidia-curand-cu12==10.3.10.19', 68295626, '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e'),
  wheel('nvidia-cusolver-cu12==11.7.5.82', 338117415, '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88'),
  wheel('nvidia-cusparse-cu12==12.5.10.65', 366465088, '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78'),
  wheel('nvidia-nccl-cu12==2.32.3', 351526311, 'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c'),
  wheel('nvidia-nvjitlink-cu12==12.9.86', 39748338, 'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9'),
];

const LINUX_X64_CPU: Distribution = {
  kind: 'cpu',
  name: `tensorflow-${TENSORFLOW_VERSION}-cpu-linux-x64`,
  pipPlatforms: ['manylinux_2_27_x86_64'],
  wheels: [wheel('tensorflow-cpu==2.21.0', 273829956, '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c')],
  installedBytes: 854_000_000,
};
const LINUX_X64_CUDA: Distribution = {
  kind: 'cuda',
  name: `tensorflow-${TENSORFLOW_VERSION}-cuda-linux-x64`,
  // nvidia's wheels are tagged for many older systems; pip matches a platform by its exact name.
  pipPlatforms: [
    ...Array.from({ length: 23 }, (_, index) => `manylinux_2_${27 - index}_x86_64`),
    'manylinux2014_x86_64',
    'manylinux2010_x86_64',
    'manylinux1_x86_64',
  ],
  wheels: [
    wheel('tensorflow==2.21.0', 572440367, '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124'),
    ...CUDA_WHEELS,
  ],
  installedBytes: 5_253_000_000,
};
const LINUX_ARM64: Distribution = {
  kind: 'cpu',
  name: `tensorflow-${TENSORFLOW_VERSION}-cpu-linux-arm64`,
  pipPlatforms: ['manylinux_2_27_aarch64'],
  wheels: [wheel('tensorflow==2.21.0', 281828020, '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c')],
  installedBytes: 884_000_000,
};
const MACOS_ARM64: Distribution = {
  kind: 'cpu',
  name: `tensorflow-${TENSORFLOW_VERSION}-cpu-darwin-arm64`,
  pipPlatforms: ['macosx_12_0_arm64'],
  wheels: [wheel('tensorflow==2.21.0', 223405849, '51f46f4806139d01fc7920cc72a4c75876f80649bf40ff083ab6212ceb43ca88')],
  installedBytes: 742_000_000,
};

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  /** Linux only; undefined with another C library, such as Alpine's. */
  readonly glibcVersion?: string;
}

/** The distribution for a machine, or an error that says what such a machine can do instead. */
export function distributionFor(machine: Machine, kind: 'cpu' | 'cuda'): Distribution {
  const { platform, arch, glibcVersion } = machine;
  if (platform === 'linux' && (arch === 'x64' || arch === 'arm64')) {
    if (glibcVersion === undefined || !isAtLeast(glibcVersion, [2, 27])) {
      throw unsupported(
        `TensorFlow ${TENSORFLOW_VERSION} needs glibc 2.27 or newer; this Linux has ${glibcVersion ?? 'another C library (Alpine?)'}`,
        'Use a Debian, Ubuntu, Fedora or RHEL 8+ system or container image.',
      );
    }
    if (arch === 'arm64') return LINUX_ARM64;
    return kind === 'cuda' ? LINUX_X64_CUDA : LINUX_X64_CPU;
  }
  if (platform === 'darwin' && arch === 'arm64') return MACOS_ARM64;
  if (platform === 'darwin') {
    throw unsupported(
      `There is no TensorFlow ${TENSORFLOW_VERSION} for Intel Macs`,
      'Use a Linux machine or container, or a Mac with Apple silicon.',
    );
  }
  if (platform === 'win32') {
    throw unsupported(
      'The engine does not run on Windows itself',
      'Install WSL2 (in PowerShell: wsl --install), and run this project in its Linux, which sees NVIDIA GPUs too.',
    );
  }
  throw unsupported(
    `There is no TensorFlow ${TENSORFLOW_VERSION} for ${platform} on ${arch}`,
    'Use Linux on x64 or arm64, or macOS on Apple silicon.',
  );
}

/** The machine this process runs on. */
export function thisMachine(): Machine {
  return {
    platform: process.platform,
    arch: process.arch,
    glibcVersion: process.platform === 'linux' ? glibcVersion() : undefined,
  };
}

function glibcVersion(): string | undefined {
  const reporter = process.report as typeof process.report & { excludeNetwork?: boolean };
  reporter.excludeNetwork = true;
  const report = reporter.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime;
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [haveMajor, haveMinor] = version.split('.').map(Number);
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

function wheel(requirement: string, bytes: number, sha256: string): Wheel {
  return { requirement, bytes, sha256 };
}

function unsupported(message: string, next: string): EnvironmentError {
  return new EnvironmentError({ code: 'PLATFORM_UNSUPPORTED', message, next });
}
