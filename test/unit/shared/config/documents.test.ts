import { format, resolveConfig } from 'prettier'
import { expect, it } from 'vitest'
import { notBuiltYet, variables } from '../../../../src/shared/config/variables.ts'
import type { Variable } from '../../../../src/shared/config/variables.ts'

const rows: [string, Variable][] = Object.entries(variables)

const page = `# Configuration

All of it is environment variables, checked at start: a bad value ends the process with exit code 2 and one line for
each fault. An empty value counts as unset. Credentials for S3 are found by the AWS SDK itself
(\`AWS_ACCESS_KEY_ID\` and \`AWS_SECRET_ACCESS_KEY\`, a profile, or the machine's role).

| variable | default | needed by | meaning |
| --- | --- | --- | --- |
${rows
  .map(
    ([name, variable]) =>
      `| \`${name}\` | ${defaultCell(variable)} | ${variable.neededBy.join(', ')} | ${variable.meaning} |`,
  )
  .join('\n')}

Not built yet, and refused where they are set: ${Object.keys(notBuiltYet)
  .map((name) => `\`${name}\``)
  .join(', ')}.
`

function defaultCell(variable: Variable): string {
  return variable.defaultNote ?? (variable.default ? `\`${variable.default.replaceAll(',', ', ')}\`` : 'empty')
}

const example = `# Every variable of Cratework, each with its default. Take away the # in front of what you set.
# docs/configuration.md says the same in a table.

${rows
  .map(([name, variable]) => {
    const note = [
      variable.defaultNote === undefined ? [] : [`Default: ${variable.defaultNote}.`],
      variable.neededBy.length === 0 ? [] : [`Needed by: ${variable.neededBy.join(', ')}.`],
    ].flat()
    return `# ${[`${variable.meaning[0]?.toUpperCase() ?? ''}${variable.meaning.slice(1)}.`, ...note].join(' ')}\n#${name}=${variable.default ?? ''}`
  })
  .join('\n\n')}

# Credentials for S3, as the AWS SDK reads them.
#AWS_ACCESS_KEY_ID=
#AWS_SECRET_ACCESS_KEY=
`

// Both files are written by this test where they differ and it runs with -u.
it('docs/configuration.md says what the table of variables says', async () => {
  const style = await resolveConfig(import.meta.filename)
  const formatted = await format(page, { ...style, parser: 'markdown' })
  await expect(formatted).toMatchFileSnapshot('../../../../docs/configuration.md')
})

it('.env.example has every variable with its default', async () => {
  await expect(example).toMatchFileSnapshot('../../../../.env.example')
})
