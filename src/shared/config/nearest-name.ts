/** The known name that a misspelt one was most likely meant to be; undefined where none is within three letters. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const distances = known.map((candidate) => ({ candidate, letters: distance(name, candidate) }))
  const nearest = distances.sort((one, other) => one.letters - other.letters)[0]
  return nearest !== undefined && nearest.letters <= 3 ? nearest.candidate : undefined
}

/** Levenshtein's distance: letters put in, taken out or changed. */
function distance(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let down = 1; down <= one.length; down += 1) {
    const line = [down]
    for (let at = 1; at <= other.length; at += 1) {
      const change = one[down - 1] === other[at - 1] ? 0 : 1
      line.push(Math.min((line[at - 1] ?? 0) + 1, (above[at] ?? 0) + 1, (above[at - 1] ?? 0) + change))
    }
    above = line
  }
  return above[other.length] ?? 0
}
