/** Which files of a wheel a runtime needs, and where they go. */

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
 * @param member path inside the wheel, "/" between parts
 * @param wheelPackage name of the package, names the folder for its licenses
 * @returns path inside the runtime folder, or undefined when the file is not needed
 */
export function wheelMemberTarget(member: string, wheelPackage: string): string | undefined {
  if (LIBRARY.test(member) || HEADER.test(member) || CUDA.test(member)) return member;
  if (LICENSE.test(member)) return `THIRD/${wheelPackage}/${member.split('/').at(-1)}`;
  return undefined;
}
