/** Loads a module by its path from scripts/: plain JavaScript, because it runs before anything is installed or built. */
export function loadScript(name: string) {
  return import(new URL(`../../scripts/${name}`, import.meta.url).href);
}
