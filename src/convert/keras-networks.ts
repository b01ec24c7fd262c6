import { isArchitectureName } from '../model/architectures/architecture.ts';
import type { Preprocessing } from '../options/preprocessing.ts';

/** A network of keras.applications that is known by its topology in models/keras-applications.jsonl.br. */
export interface KerasNetwork {
  /** What its `preprocess_input` does; none where its first layers do it. */
  readonly preprocessing: Preprocessing;
  /** Of the published weights, with the classifier: below the base address. */
  readonly path: string;
  /** MD5 or SHA-256, hex, as Keras checks it; undefined where Keras has none. */
  readonly sum: string | undefined;
  /** Where the path begins, other than OFFICIAL_BASE. */
  readonly base?: string;
}

type Sums = Readonly<Record<string, string | undefined>>;

const KERNELS = 'weights_tf_dim_ordering_tf_kernels.h5';

/** Of the images that each was trained on: Keras takes the largest. */
const RS_SIDES: Readonly<Record<string, number>> = {
  resnetrs50: 160,
  resnetrs101: 192,
  resnetrs152: 256,
  resnetrs200: 256,
  resnetrs270: 256,
  resnetrs350: 320,
  resnetrs420: 320,
};

/**
 * By the names of their functions in lower case. Addresses and sums: keras/src/applications of github.com/keras-team/keras at
 * 3422977; of RegNet and ResNetRS: tf_keras 2.21. MobileNet has no sum there. The host of the files was not reached where
 * this was written: their addresses and sums are Keras' word, and only files of the same layout were converted.
 */
export const KERAS_NETWORKS: ReadonlyMap<string, KerasNetwork> = new Map([
  ...family('caffe', (name) => `resnet/${name}_${KERNELS}`, {
    resnet101: 'f1aeb4b969a6efcfb50fad2f0c20cfc5',
    resnet152: '100835be76be38e30d865e96f2aaae62',
  }),
  ...family('tf', (name) => `resnet/${name}_${KERNELS}`, {
    resnet50v2: '3ef43a0b657b3be2300d5770ece849e0',
    resnet101v2: '6343647c601c52e1368623803854d971',
    resnet152v2: 'a49b44d1979771252814e80f8ec446f9',
  }),
  ...family('torch', (name) => `densenet/${name}_${KERNELS}`, {
    densenet121: '9d60b8095a5708f2dcce2bca79d332c7',
    densenet169: 'd699b8f76981ab1b30698df4c175e90b',
    densenet201: '1ceb130c1ea1b78c3bf6114dbdfd8807',
  }),
  ...family('tf', () => `inception_v3/inception_v3_${KERNELS}`, {
    inceptionv3: '9a0d58056eeedaa3f26cb7ebd46da564',
  }),
  ...family('tf', () => `inception_resnet_v2/inception_resnet_v2_${KERNELS}`, {
    inceptionresnetv2: 'e693bd0210a403b3192acc6073ad2e96',
  }),
  ...family('tf', (name) => `xception/${name}_${KERNELS}`, {
    xception: '0a58e3b7378bc2990ea3b43d5981f1f6',
  }),
  ...family('tf', (name) => `nasnet/${name.replace('nasnet', 'NASNet-')}.h5`, {
    nasnetmobile: '020fb642bf7360b370c678b08e0adf61',
    nasnetlarge: '11577c9a518f0070763c2b964a382f17',
  }),
  ...family('tf', (name) => `mobilenet/${name}_1_0_224_tf.h5`, {
    mobilenet: undefined,
  }),
  ...family(
    'none',
    (name) => `mobilenet_v3/weights_${name.replace('netv3', 'net_v3_')}_224_1.0_float.h5`,
    {
      mobilenetv3small: '8768d4c2e7dee89b9d02b2d03d65d862',
      mobilenetv3large: '59e551e166be033d707958cf9e29a6a7',
    },
  ),
  ...family(
    'none',
    (name) => `${name}.h5`,
    {
      efficientnetb0: '902e53a9f72be733fc0bcb005b3ebbac',
      efficientnetb1: '1d254153d4ab51201f1646940f018540',
      efficientnetb2: 'b15cce36ff4dcbd00b6dd88e7857a6ad',
      efficientnetb3: 'ffd1fdc53d0ce67064dc6a9c7960ede0',
      efficientnetb4: '18c95ad55216b8f92d7e70b3a046e2fc',
      efficientnetb5: 'ace28f2a6363774853a83a0b21b9421a',
      efficientnetb6: '165f6e37dce68623721b423839de8be5',
      efficientnetb7: '8c03f828fec3ef71311cd463b6759d99',
    },
    'https://storage.googleapis.com/keras-applications',
  ),
  ...family('none', (name) => `efficientnet_v2/${name.replace('v2', 'v2-')}.h5`, {
    efficientnetv2b0: '21ecbf6da12460d5c40bb2f29ceb2188',
    efficientnetv2b1: '069f0534ff22adf035c89e2d9547a9dc',
    efficientnetv2b2: '424e49f28180edbde1e94797771950a7',
    efficientnetv2b3: '1f1fc43bd98a6e4fd8fdfd551e02c7a0',
    efficientnetv2s: 'e1d88a8495beba45748fedd0cecbe016',
    efficientnetv2m: 'a3bf6aa3276309f4fc6a34aa114c95cd',
    efficientnetv2l: '27e6d408b53c7ebc868fefa357689935',
  }),
  ...family('none', (name) => `convnext/${name.replace('next', 'next_')}.h5`, {
    convnexttiny: '8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff',
    convnextsmall: 'ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c',
    convnextbase: '52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6',
    convnextlarge: '070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6',
    convnextxlarge: 'c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee',
  }),
  ...family('none', (name) => `regnet/${name}.h5`, {
    regnetx002: '49fb46e56cde07fdaf57bffd851461a86548f6a3a4baef234dd37290b826c0b8',
    regnetx004: '3523c7f5ac0dbbcc2fd6d83b3570e7540f7449d3301cc22c29547302114e4088',
    regnetx006: '340216ef334a7bae30daac9f414e693c136fac9ab868704bbfcc9ce6a5ec74bb',
    regnetx008: '8f145d6a5fae6da62677bb8d26eb92d0b9dfe143ec1ebf68b24a57ae50a2763d',
    regnetx016: '31c386f4c7bfef4c021a583099aa79c1b3928057ba1b7d182f174674c5ef3510',
    regnetx032: '6c025df1409e5ea846375bc9dfa240956cca87ef57384d93fef7d6fa90ca8c7f',
    regnetx040: 'ba128046c588a26dbd3b3a011b26cb7fa3cf8f269c184c132372cb20b6eb54c1',
    regnetx064: '0f4489c3cd3ad979bd6b0324213998bcb36dc861d178f977997ebfe53c3ba564',
    regnetx080: '76320e43272719df648db37271a247c22eb6e810fe469c37a5db7e2cb696d162',
    regnetx120: '5cafc461b78897d5e4f24e68cb406d18e75f31105ef620e7682b611bb355eb3a',
    regnetx160: '8093f57a5824b181fb734ea21ae34b1f7ee42c5298e63cf6d587c290973195d2',
    regnetx320: '91fb3e6f4e9e44b3687e80977f7f4412ee9937c0c704232664fc83e4322ea01e',
    regnety002: '1e8091c674532b1a61c04f6393a9c570113e0197f22bd1b98cc4c4fe800c6465',
    regnety004: '752fdbad21c78911bf1dcb8c513e5a0e14697b068e5d9e73525dbaa416d18d8e',
    regnety006: '98942e07b273da500ff9699a1f88aca78dfad4375faabb0bab784bb0dace80a9',
    regnety008: '1b099377cc9a4fb183159a6f9b24bc998e5659d25a449f40c90cbffcbcfdcae4',
    regnety016: 'b7ce1f5e223f0941c960602de922bcf846288ce7a4c33b2a4f2e4ac4b480045b',
    regnety032: '6a6a545cf3549973554c9b94f0cd40e25f229fffb1e7f7ac779a59dcbee612bd',
    regnety040: '98d00118b335162bbffe8f1329e54e5c8e75ee09b2a5414f97b0ddfc56e796f6',
    regnety064: '65c948c7a18aaecaad2d1bd4fd978987425604ba6669ef55a1faa0069a2804b7',
    regnety080: '7a2c62da2982e369a4984d3c7c3b32d6f8d3748a71cb37a31156c436c37f3e95',
    regnety120: 'a96ab0d27d3ae35a422ee7df0d789069b3e3217a99334e0ce861a96595bc5986',
    regnety160: '45067240ffbc7ca2591313fee2f80dbdda6d66ec1a7451446f9a6d00d8f7ac6e',
    regnety320: 'b05e173e4ae635cfa22d06392ee3741284d17dadfee68f2aa6fd8cb2b7561112',
  }),
  ...family('none', (name) => `resnet_rs/${name.replace('rs', '-rs-')}-i${RS_SIDES[name]}.h5`, {
    resnetrs50: '69d9d925319f00a8bdd4af23c04e4102',
    resnetrs101: 'eb285be29ab42cf4835ff20a5e3b5d23',
    resnetrs152: 'ba6271b99bdeb4e7a9b15c05964ef4ad',
    resnetrs200: 'a76930b741884e09ce90fa7450747d5f',
    resnetrs270: '20d575825ba26176b03cb51012a367a8',
    resnetrs350: '7ccb858cc738305e8ceb3c0140bee393',
    resnetrs420: 'ae0eb9bed39e64fc8d7e0db4018dc7e8',
  }),
]);

function family(
  preprocessing: Preprocessing,
  path: (name: string) => string,
  sums: Sums,
  base?: string,
): [string, KerasNetwork][] {
  return Object.entries(sums).map(([name, sum]) => [
    name,
    { preprocessing, path: path(name), sum, ...(base !== undefined && { base }) },
  ]);
}

/** True for the names of architectures as data, too. */
export function isNetworkName(name: string): boolean {
  return isArchitectureName(name) || KERAS_NETWORKS.has(name);
}
