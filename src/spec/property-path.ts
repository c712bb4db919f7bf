/**
 * The property names of a dot-separated path such as `content.m\.relates_to` (Appendices, "Dot-separated property paths"):
 * a backslash makes a dot or a backslash part of a name, before anything else it stands for itself.
 */
export function readPropertyPath(path: string): string[] {
  if (!path.includes('\\')) return path.split('.')
  const names: string[] = []
  let name = ''
  for (let index = 0; index < path.length; index++) {
    const [character, next] = [path.charAt(index), path.charAt(index + 1)]
    if (character === '.') {
      names.push(name)
      name = ''
    } else if (character === '\\' && (next === '.' || next === '\\')) {
      name += next
      index++
    } else name += character
  }
  return [...names, name]
}
