/**
 * Group names in .weights.h5: the class in snake case, numbered in creation order (Keras
 * `saving_lib._save_container_state` and `naming.to_snake_case`). They are not the layers' names.
 */
export class StoreKeys {
  readonly #used = new Map<string, number>();

  next(className: string): string {
    const name = toSnakeCase(className);
    const count = this.#used.get(name);
    this.#used.set(name, (count ?? 0) + 1);
    return count === undefined ? name : `${name}_${count}`;
  }
}

/** @example toSnakeCase('MaxPooling2D') // 'max_pooling2d' */
function toSnakeCase(className: string): string {
  return className
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}
