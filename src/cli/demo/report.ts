import Table from 'cli-table3';
import type { Decimal } from 'decimal.js';
import { styleText } from 'node:util';
import { sum, type Check, type Comparison } from './checks.ts';
import type { JobResult } from './answers.ts';
import type { JobLine } from './model.ts';
import { amount, cut, dollars, left, oneLine, right } from './text.ts';

const dim = (text: string): string => styleText('dim', text);
const bold = (text: string): string => styleText('bold', text);

/** Columns before each of the table's columns, and how wide these are; 79 together. */
const GAP = 2;
const widths = [18, 9, 7, 7, 8, 8, 8];
const across = widths.reduce((total, width) => total + width + GAP, -GAP);

/** No borders: rules and blanks order the columns well enough, and leave room at 80 columns. */
const bare = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

/** What each job answered, used and cost, and the totals. */
export function resultLines(jobs: readonly JobLine[], results: readonly JobResult[]): string[] {
  const table = new Table({
    chars: bare,
    style: { 'padding-left': GAP, 'padding-right': 0, head: [], border: [] },
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right'],
    colWidths: widths.map((width) => width + GAP),
  });
  const whole = (content: string) => [{ content, colSpan: widths.length }];
  const rule = whole(dim('─'.repeat(across)));
  table.push(['Job', 'Status', 'Input', 'Output', 'Cost', 'Standard', 'Saved'].map(dim), rule);
  for (const [index, result] of results.entries()) {
    const { usage, cost, status } = result;
    table.push(
      [
        jobs[index]!.type,
        styleText(status === 'COMPLETED' ? 'green' : 'red', status.toLowerCase()),
        ...tokens(inputOf(result), usage.outputTokens),
        ...money(cost.actualUsd, cost.standardUsd, cost.savedUsd),
      ],
      whole(dim(`  ${cut(oneLine(excerpt(result)), across - 2)}`)),
    );
  }
  table.push(rule, totals(results));
  // A cell across all columns is padded beyond them.
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

function excerpt({ error, resultJson }: JobResult): string {
  if (error) return `${error.code}: ${error.message}`;
  return typeof resultJson?.summary === 'string' ? resultJson.summary : 'no summary';
}

function totals(results: readonly JobResult[]): string[] {
  const costs = results.map(({ cost }) => cost);
  const add = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  return [
    `${results.length} jobs`,
    '',
    ...tokens(add(results.map(inputOf)), add(results.map(({ usage }) => usage.outputTokens))),
    ...money(
      sum(costs.map(({ actualUsd }) => actualUsd)),
      sum(costs.map(({ standardUsd }) => standardUsd)),
      sum(costs.map(({ savedUsd }) => savedUsd)),
    ),
  ].map((cell) => cell && bold(cell));
}

/** All input, cached or not: it is all billed. */
function inputOf({ usage }: JobResult): number {
  return usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
}

function tokens(...counts: number[]): string[] {
  return counts.map(amount);
}

function money(...sums: (string | Decimal | null)[]): string[] {
  return sums.map((one) => dollars(one, 4));
}

/** What the run has saved, in a sentence. */
export function savedLine(results: readonly JobResult[], simulated: boolean): string {
  const cost = sum(results.map((result) => result.cost.actualUsd));
  const standard = sum(results.map((result) => result.cost.standardUsd));
  if (cost === null || standard === null)
    return '  The price of a model is not known, so neither is what was saved.';
  const saved = bold(styleText('green', dollars(standard.minus(cost), 4)));
  const price = `${dollars(cost, 4)} instead of ${dollars(standard, 4)}`;
  return simulated ? `  Saved ${saved}: ${price}, had the answers been real.` : `  Saved ${saved}: ${price}.`;
}

/** The figures of both faces, side by side; without those that are zero in both. */
export function statsLines(comparisons: readonly Comparison[]): string[] {
  const header = `  ${left('', 14)}${right('GraphQL', 14)}${right('REST', 14)}`;
  return [
    dim(header),
    ...comparisons.flatMap(({ name, graphql, rest, equal }) => {
      if (graphql === '0' && rest === '0') return [];
      const mark = equal ? styleText('green', '=') : styleText('red', '≠');
      return `  ${left(name, 14)}${right(graphql, 14)}${right(rest, 14)}  ${mark}`;
    }),
  ];
}

/** What was asserted, a line each. */
export function checkLines(checks: readonly Check[]): string[] {
  return checks.map(({ holds, text, problem }) =>
    holds ? `  ${styleText('green', '✓')} ${text}` : `  ${styleText('red', '✗')} ${problem}`,
  );
}
