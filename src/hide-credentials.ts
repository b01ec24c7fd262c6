/** For everything that is printed: a URL keeps its host, and user and password are removed. */
export function hideCredentials(text: string): string {
  // Also where it does not parse as a URL: a mistyped address holds a password as well.
  return text.replace(/:\/\/[^/?#\s]*@/g, '://');
}
