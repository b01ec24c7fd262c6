/** For whatever is printed: a URL keeps its host, and loses user and password. */
export function hideCredentials(text: string): string {
  // Also where it is no URL for a parser: the password of a mistyped address is one as well.
  return text.replace(/:\/\/[^/?#\s]*@/g, '://');
}
