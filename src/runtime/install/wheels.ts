/**
 * The wheels a runtime is made of, pinned to the byte. TensorFlow's come in the build for
 * Python 3.12 (the library inside does not use Python); NVIDIA's are what TensorFlow 2.21's
 * `and-cuda` extra lists, less what one process with one GPU never opens (cuRAND, NCCL, NVSHMEM, CUPTI), from CUDA 12.9.1, with the last cuDNN that still runs on Pascal and
 * Volta, the oldest cards that TensorFlow has kernels for.
 */
import type { PlatformKey } from '../runtime-platform.ts';
import { type RuntimeKind, TENSORFLOW_VERSION } from '../tensorflow-runtime.ts';

export interface PinnedWheel {
  readonly package: string;
  readonly version: string;
  /** Python, ABI and platform tags as in the file name. */
  readonly tag: string;
  /** Hex digest of the wheel file. */
  readonly sha256: string;
  /** Size of the wheel file. */
  readonly bytes: number;
}

export interface RuntimeRecipe {
  readonly kind: RuntimeKind;
  readonly platform: PlatformKey;
  readonly wheels: readonly PinnedWheel[];
  /** Bytes on disk once everything is unpacked, rounded up. */
  readonly unpackedBytes: number;
}

/** What to install, or undefined where it does not exist (CUDA other than on Linux x86-64). */
export function runtimeRecipe(kind: RuntimeKind, platform: PlatformKey): RuntimeRecipe | undefined {
  return RECIPES.find((recipe) => recipe.kind === kind && recipe.platform === platform);
}

/** The wheel's file name, e.g. "tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl". */
export function wheelFileName(wheel: PinnedWheel): string {
  return `${wheel.package.replaceAll('-', '_')}-${wheel.version}-${wheel.tag}.whl`;
}

function tensorflow(name: string, platformTag: string, bytes: number, sha256: string): PinnedWheel {
  const tag = `cp312-cp312-${platformTag}`;
  return { package: name, version: TENSORFLOW_VERSION, tag, sha256, bytes };
}

function nvidia(
  name: string,
  version: string,
  platformTag: string,
  bytes: number,
  sha256: string,
): PinnedWheel {
  return { package: `nvidia-${name}-cu12`, version, tag: `py3-none-${platformTag}`, sha256, bytes };
}

const MANYLINUX_2_12 = 'manylinux2010_x86_64.manylinux_2_12_x86_64';
const MANYLINUX_2_17 = 'manylinux2014_x86_64.manylinux_2_17_x86_64';
const MANYLINUX_2_27 = 'manylinux_2_27_x86_64';

const NVIDIA_WHEELS: readonly PinnedWheel[] = [
  nvidia(
    'cublas',
    '12.9.1.4',
    MANYLINUX_2_27,
    581_242_350,
    '453611eb21a7c1f2c2156ed9f3a45b691deda0440ec550860290dc901af5b4c2',
  ),
  nvidia(
    'cuda-nvcc',
    '12.9.86',
    MANYLINUX_2_12,
    40_546_229,
    '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0',
  ),
  nvidia(
    'cuda-nvrtc',
    '12.9.86',
    MANYLINUX_2_12,
    89_568_129,
    '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4',
  ),
  nvidia(
    'cuda-runtime',
    '12.9.79',
    MANYLINUX_2_17,
    3_493_179,
    '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3',
  ),
  nvidia(
    'cudnn',
    '9.10.2.21',
    MANYLINUX_2_27,
    706_758_467,
    '949452be657fa16687d0930933f032835951ef0892b37d2d53824d1a84dc97a8',
  ),
  nvidia(
    'cufft',
    '11.4.1.4',
    MANYLINUX_2_17,
    200_877_592,
    'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28',
  ),
  nvidia(
    'cusolver',
    '11.7.5.82',
    MANYLINUX_2_27,
    338_117_415,
    '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88',
  ),
  nvidia(
    'cusparse',
    '12.5.10.65',
    MANYLINUX_2_17,
    366_465_088,
    '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78',
  ),
  nvidia(
    'nvjitlink',
    '12.9.86',
    MANYLINUX_2_12,
    39_748_338,
    'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9',
  ),
];

const RECIPES: readonly RuntimeRecipe[] = [
  {
    kind: 'cpu',
    platform: 'linux-x64',
    unpackedBytes: 860e6,
    wheels: [
      tensorflow(
        'tensorflow-cpu',
        MANYLINUX_2_27,
        274_000_871,
        'dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb',
      ),
    ],
  },
  {
    kind: 'cpu',
    platform: 'linux-arm64',
    unpackedBytes: 890e6,
    wheels: [
      tensorflow(
        'tensorflow',
        'manylinux_2_27_aarch64',
        281_946_471,
        'b07d15737406533898e36c7ef7944b1be18e9028dc521b9229952c537bbc5552',
      ),
    ],
  },
  {
    kind: 'cpu',
    platform: 'darwin-arm64',
    unpackedBytes: 750e6,
    wheels: [
      tensorflow(
        'tensorflow',
        'macosx_12_0_arm64',
        223_488_205,
        '56ecd7d47429acbe1df2694d50b75bf9fc3995ac92cb367cd9af6c4780ead712',
      ),
    ],
  },
  {
    kind: 'gpu',
    platform: 'linux-x64',
    unpackedBytes: 4.8e9,
    wheels: [
      tensorflow(
        'tensorflow',
        MANYLINUX_2_27,
        572_611_111,
        'b3b95643c4e70eb925839938fb35cbe142f317ec84af6844ee61513713bb13c0',
      ),
      ...NVIDIA_WHEELS,
    ],
  },
];

/** Headers that the addon's two sources include, directly or not; removed after compiling. */
const HEADER =
  /^tensorflow\/include\/(tensorflow\/c\/(eager\/)?[^/]+\.h|(tensorflow\/core|tsl)\/platform\/ctstring[^/]*\.h|xla\/tsl\/c\/[^/]+\.h)$/;

const LIBRARY = /^tensorflow\/libtensorflow_(cc|framework)\.(so\.2|2\.dylib)$/;

/** CUDA's shared libraries, and what XLA compiles kernels with; not the second set of nvrtc. */
const CUDA =
  /^nvidia\/[^/]+\/(lib\/(?!.*\.alt\.|libcusolverMg)[^/]+\.so[.\d]*|bin\/(ptxas|nvlink|fatbinary)|nvvm\/libdevice\/[^/]+\.bc)$/;

/** TensorFlow's collected notices, and the license file among a wheel's metadata. */
const LICENSE =
  /^(?:tensorflow\/(?:THIRD_PARTY_NOTICES\.txt|include\/LICENSE)|[^/]+\.dist-info\/(?:licenses\/)?LICEN[CS]E[^/]*)$/i;

/**
 * Which files of a wheel a runtime needs, and where they go.
 *
 * @param member path inside the wheel, "/" between parts
 * @param wheelPackage name of the package, names the folder for its licenses
 * @returns path inside the runtime folder, or undefined when the file is not needed
 */
export function wheelMemberTarget(member: string, wheelPackage: string): string | undefined {
  if (LIBRARY.test(member) || HEADER.test(member) || CUDA.test(member)) return member;
  if (LICENSE.test(member)) return `THIRD/${wheelPackage}/${member.split('/').at(-1)}`;
  return undefined;
}
