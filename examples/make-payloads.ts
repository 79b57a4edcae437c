// Makes the payloads in examples/payloads from the market data of the npm package vega-datasets.
// Run: npx node examples/make-payloads.ts. The same data gives the same bytes.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { JobTypeName } from '../src/core/job-types/job-type.ts';

interface Point {
  readonly month: string;
  readonly price: number;
}

type Json = string | number | readonly Json[] | { readonly [key: string]: Json | undefined };

const dataFolder = new URL('../node_modules/vega-datasets/data/', import.meta.url);
const payloadFolder = new URL('./payloads/', import.meta.url);

const symbols = ['AAPL', 'AMZN', 'GOOG', 'IBM', 'MSFT'] as const;
type Ticker = (typeof symbols)[number];
const companies: Record<Ticker, string> = {
  AAPL: 'Apple',
  AMZN: 'Amazon',
  GOOG: 'Google',
  IBM: 'IBM',
  MSFT: 'Microsoft',
};

/** The last row, March 2010, is the close of 9 March (compare sp500-2000.csv), so the month is left out. */
const lastMonth = '2010-02';

const monthNames =
  'January February March April May June July August September October November December'.split(' ');

const ordinals = 'zeroth first second third fourth fifth sixth seventh eighth ninth tenth'.split(' ');

/** Every payload as the text of its file. */
export function makePayloads(): Record<JobTypeName, string> {
  const stocks = readStocks();
  const index = readIndex();
  return {
    portfolio_summary: fileOf(portfolioSummary(stocks, index)),
    risk_report: fileOf(riskReport(stocks, index)),
    strategy_backtest: fileOf(strategyBacktest(index)),
    sentiment_analysis: fileOf(sentimentAnalysis(stocks)),
    model_evaluation: fileOf(modelEvaluation(index)),
    trading_analytics: fileOf(tradingAnalytics(stocks)),
  };
}

// --- the six payloads

function portfolioSummary(stocks: Map<Ticker, Point[]>, index: Point[]): Json {
  const first = '2008-02';
  const positions = symbols.map((symbol) => {
    const prices = from(seriesOf(stocks, symbol), first).map((point) => point.price);
    const units = Math.floor(10_000 / at(prices, 0));
    const cost = units * at(prices, 0);
    return { symbol, prices, units, cost, value: units * at(prices, -1) };
  });
  const total = sum(positions.map((position) => position.value));
  return {
    source:
      'vega-datasets 3.2.1, data/stocks.csv and data/sp500.csv: month-end prices. The number of units is chosen for the example.',
    name: 'Five technology shares',
    first_month: first,
    as_of: lastMonth,
    currency: 'USD',
    holdings: positions.map(({ symbol, units, cost, value, prices }) => ({
      symbol,
      name: companies[symbol],
      units,
      cost: round(cost, 2),
      price: at(prices, -1),
      market_value: round(value, 2),
      weight_percent: round((value / total) * 100, 2),
      prices,
    })),
    benchmark: { name: 'S&P 500, price index', prices: from(index, first).map((point) => point.price) },
    notes:
      'Whole units for at most 10,000 USD of each share were bought at the close of February 2008 and held. Prices are monthly, oldest first, February 2008 to February 2010. Dividends, costs and cash are not included.',
  };
}

function riskReport(stocks: Map<Ticker, Point[]>, index: Point[]): Json {
  const first = '2007-01';
  const percents = (series: Point[]) =>
    from(returns(series), first).map((point) => round(point.price * 100, 2));
  return {
    source:
      'vega-datasets 3.2.1, data/stocks.csv and data/sp500.csv: returns between month-end prices. Weights and limits are chosen for the example.',
    as_of: lastMonth,
    frequency: 'monthly',
    months: from(index, first).map((point) => point.month),
    returns_percent: Object.fromEntries(
      symbols.map((symbol) => [symbol, percents(seriesOf(stocks, symbol))]),
    ),
    benchmark: { name: 'S&P 500, price index', returns_percent: percents(index) },
    weights_percent: Object.fromEntries(symbols.map((symbol) => [symbol, 20])),
    limits: { largest_position_percent: 25, worst_month_percent: -15, drawdown_percent: -40 },
    notes:
      'The portfolio is set back to equal weights at the end of every month. Limits are on the whole portfolio, save the first. Dividends are not included.',
  };
}

function strategyBacktest(index: Point[]): Json {
  const window = 10;
  const held = holdings(index, window);
  const monthly = returns(index);
  // The close of a month decides the month after it, so the first month that can be traded is the eleventh.
  const tested = index.slice(window);
  const strategy = equity(
    tested.map((_, i) => (held[i + window - 1] ? at(monthly, i + window - 1).price : 0)),
  );
  const benchmark = equity(tested.map((_, i) => at(monthly, i + window - 1).price));
  const trades = tradesOf(index, window);
  return {
    source:
      'vega-datasets 3.2.1, data/sp500.csv: S&P 500 at month ends. Equity and trades computed from it by the rule below.',
    strategy: {
      name: 'Ten-month moving average',
      rule: 'At the close of a month, hold the index through the next month if the close is above the mean of the last ten closes, this one included; otherwise hold cash.',
      parameters: { window_months: window },
      parameter_choice: 'Taken from common practice; no other value was tried on this data.',
      assumptions: [
        'trades at the month-end close that gives the signal',
        'no costs, slippage or taxes',
        'cash earns nothing',
        'dividends are not counted, neither for the strategy nor for the benchmark',
      ],
    },
    period: { first: at(tested, 0).month, last: lastMonth, months: tested.length },
    performance: {
      strategy: performance(strategy),
      benchmark_buy_and_hold: performance(benchmark),
      months_invested: held.slice(window - 1, -1).filter(Boolean).length,
      closed_trades: trades.filter((trade) => trade.status === 'closed').length,
    },
    equity_curve: {
      months: `one value at each month end, ${at(index, window - 1).month} (start, 100) to ${lastMonth}`,
      strategy: strategy.map((value) => round(value, 2)),
      benchmark: benchmark.map((value) => round(value, 2)),
    },
    trades,
  };
}

function sentimentAnalysis(stocks: Map<Ticker, Point[]>): Json {
  const items = symbols
    .flatMap((symbol) => headlines(symbol, seriesOf(stocks, symbol)))
    .toSorted((a, b) => compare(a.date, b.date) || compare(a.symbol, b.symbol))
    .map((item, i) => ({ id: `h${String(i + 1).padStart(2, '0')}`, ...item }));
  return {
    source:
      'vega-datasets 3.2.1, data/stocks.csv. These are not published news: each headline was generated by a script from the real month-end prices.',
    subject: 'Five technology shares, September 2008 to February 2010',
    language: 'en',
    items,
    notes:
      'For each share the five months with the largest price moves of the period. Dividends are not included.',
  };
}

function modelEvaluation(index: Point[]): Json {
  const lookBack = 12;
  const monthly = returns(index);
  const rows = monthly.slice(lookBack).map((point, i) => {
    const mean = sum(monthly.slice(i, i + lookBack).map((past) => past.price)) / lookBack;
    return {
      month: point.month,
      forecast_percent: round(mean * 100, 2),
      predicted: direction(mean),
      actual_percent: round(point.price * 100, 2),
      actual: direction(point.price),
    };
  });
  const count = (predicted: string, actual: string) =>
    rows.filter((row) => row.predicted === predicted && row.actual === actual).length;
  const hits = count('up', 'up') + count('down', 'down');
  const ups = rows.filter((row) => row.actual === 'up').length;
  return {
    source:
      'vega-datasets 3.2.1, data/sp500.csv: S&P 500 at month ends. Forecasts computed from it by the model below.',
    model: {
      name: 'Twelve-month mean',
      description: 'Forecasts the return of a month as the mean of the twelve monthly returns before it.',
      target: 'Direction of the S&P 500 over the next month: up if the return is above zero, otherwise down.',
    },
    test: {
      first: at(rows, 0).month,
      last: at(rows, -1).month,
      predictions: rows.length,
      method: 'Rolling: each forecast uses only returns of earlier months. Nothing is fitted.',
    },
    confusion: {
      predicted_up_actual_up: count('up', 'up'),
      predicted_up_actual_down: count('up', 'down'),
      predicted_down_actual_up: count('down', 'up'),
      predicted_down_actual_down: count('down', 'down'),
    },
    measures: {
      accuracy_percent: round((hits / rows.length) * 100, 2),
      mean_absolute_error_percent: round(
        sum(rows.map((row) => Math.abs(row.forecast_percent - row.actual_percent))) / rows.length,
        2,
      ),
    },
    baseline: {
      name: 'Always up',
      correct: ups,
      accuracy_percent: round((ups / rows.length) * 100, 2),
    },
    rows: rows.slice(-30),
    notes: 'The rows are the last thirty predictions; counts and measures are over the whole test.',
  };
}

function tradingAnalytics(stocks: Map<Ticker, Point[]>): Json {
  const first = '2005-01';
  const trades = symbols
    .flatMap((symbol) =>
      tradesOf(seriesOf(stocks, symbol), 10)
        .filter((trade) => trade.entry >= first)
        .map((trade) => sized(symbol, trade)),
    )
    .toSorted((a, b) => compare(a.entry, b.entry) || compare(a.symbol, b.symbol));
  const closed = trades.filter((trade) => trade.status === 'closed');
  const open = trades.filter((trade) => trade.status === 'open');
  return {
    source:
      'vega-datasets 3.2.1, data/stocks.csv: month-end prices. Trades computed from them by the rule below.',
    rule: 'Buy at a month-end close above the mean of the last ten closes, sell at the first month-end close not above it. Each trade buys whole units for at most 10,000 USD. Long only.',
    period: { first, last: lastMonth },
    currency: 'USD',
    totals: {
      closed_trades: closed.length,
      open_trades: open.length,
      profit_closed: round(sum(closed.map((trade) => trade.profit)), 2),
      profit_open: round(sum(open.map((trade) => trade.profit)), 2),
    },
    trades,
    notes: `Trades opened from January 2005 on. Open trades are valued at the last price, ${monthName(lastMonth)}. Costs and dividends are not included.`,
  };
}

// --- the moving average rule

/** For each month, whether its close is above the mean of the last `window` closes, this one included. */
function holdings(series: Point[], window: number): boolean[] {
  return series.map((point, i) => {
    if (i < window - 1) return false;
    return point.price > sum(series.slice(i - window + 1, i + 1).map((past) => past.price)) / window;
  });
}

type Trade = {
  entry: string;
  entry_price: number;
  exit: string | undefined;
  exit_price: number;
  return_percent: number;
  status: 'closed' | 'open';
};

function tradesOf(series: Point[], window: number): Trade[] {
  const held = holdings(series, window);
  const trades: Trade[] = [];
  let entry: Point | undefined;
  for (const [i, point] of series.entries()) {
    if (held[i] && !entry) entry = point;
    const last = i === series.length - 1;
    if (!entry || (held[i] && !last)) continue;
    // A signal at the very last close would be a trade of no length.
    if (entry !== point) trades.push(tradeFrom(entry, point, !held[i]));
    entry = undefined;
  }
  return trades;
}

function tradeFrom(entry: Point, exit: Point, closed: boolean): Trade {
  return {
    entry: entry.month,
    entry_price: entry.price,
    exit: closed ? exit.month : undefined,
    exit_price: exit.price,
    return_percent: round((exit.price / entry.price - 1) * 100, 2),
    status: closed ? 'closed' : 'open',
  };
}

function sized(symbol: Ticker, one: Trade) {
  const units = Math.floor(10_000 / one.entry_price);
  return {
    symbol,
    entry: one.entry,
    entry_price: one.entry_price,
    exit: one.exit,
    exit_price: one.exit_price,
    units,
    profit: round(units * (one.exit_price - one.entry_price), 2),
    return_percent: one.return_percent,
    status: one.status,
  };
}

function equity(monthlyReturns: number[]): number[] {
  const values = [100];
  for (const one of monthlyReturns) values.push(at(values, -1) * (1 + one));
  return values;
}

function performance(curve: number[]): Json {
  const steps = curve.slice(1).map((value, i) => value / at(curve, i) - 1);
  const mean = sum(steps) / steps.length;
  const variance = sum(steps.map((step) => (step - mean) ** 2)) / (steps.length - 1);
  let peak = 0;
  let drawdown = 0;
  for (const value of curve) {
    peak = Math.max(peak, value);
    drawdown = Math.min(drawdown, value / peak - 1);
  }
  return {
    total_return_percent: round((at(curve, -1) / at(curve, 0) - 1) * 100, 2),
    monthly_volatility_percent: round(Math.sqrt(variance) * 100, 2),
    largest_drawdown_percent: round(drawdown * 100, 2),
    worst_month_percent: round(Math.min(...steps) * 100, 2),
  };
}

// --- headlines

function headlines(symbol: Ticker, series: Point[]) {
  const monthly = returns(series);
  return monthly
    .map((point, i) => ({ point, i }))
    .filter(({ point }) => point.month >= '2008-09')
    .toSorted((a, b) => Math.abs(b.point.price) - Math.abs(a.point.price))
    .slice(0, 5)
    .map(({ point, i }) => ({
      date: point.month,
      symbol,
      text: headline(companies[symbol], at(series, i + 1), monthly, i, series),
    }));
}

function headline(company: string, close: Point, monthly: Point[], i: number, series: Point[]): string {
  const move = at(monthly, i).price;
  const percent = Math.abs(move * 100).toFixed(1);
  const verb = move > 0 ? 'gains' : 'loses';
  return `${company} ${verb} ${percent}% in ${monthName(close.month)} and ends the month at ${close.price.toFixed(2)} dollars, ${context(monthly, i, series)}`;
}

/** The most telling true thing the series says about one month's move. */
function context(monthly: Point[], i: number, series: Point[]): string {
  const move = at(monthly, i).price;
  const closes = series.slice(0, i + 2);
  const close = at(closes, -1).price;
  const start = monthName(at(series, 0).month);
  if (closes.slice(0, -1).every((past) => past.price < close))
    return `its highest month-end price since the series began in ${start}`;
  const larger = monthly.slice(0, i).findLast((past) => (move > 0 ? past.price >= move : past.price <= move));
  const kind = move > 0 ? 'gain' : 'fall';
  if (!larger) return `its largest monthly ${kind} since the series began in ${start}`;
  if (monthsBetween(larger.month, at(monthly, i).month) > 12) {
    return `its largest monthly ${kind} since ${monthName(larger.month)}`;
  }
  const run = streak(monthly, i);
  if (run > 2) return `its ${at(ordinals, run)} monthly ${kind} in a row`;
  const before = at(monthly, i - 1);
  const past = `${Math.abs(before.price * 100).toFixed(1)}%`;
  return `after a ${before.price > 0 ? 'gain' : 'fall'} of ${past} the month before`;
}

function streak(monthly: Point[], i: number): number {
  const rising = at(monthly, i).price > 0;
  const turn = monthly.slice(0, i).findLastIndex((point) => point.price > 0 !== rising);
  return i - turn;
}

// --- the data

function readStocks(): Map<Ticker, Point[]> {
  const rows = readRows('stocks.csv');
  return new Map(
    symbols.map((symbol) => [
      symbol,
      rows
        .filter(([name]) => name === symbol)
        .map(([, date, price]) => pointOf(date, price))
        .filter(complete),
    ]),
  );
}

function readIndex(): Point[] {
  return readRows('sp500.csv')
    .map(([date, price]) => pointOf(date, price))
    .filter(complete);
}

function readRows(file: string): string[][] {
  const lines = readFileSync(new URL(file, dataFolder), 'utf8').trim().split(/\r?\n/);
  return lines.slice(1).map((line) => line.split(','));
}

/** `Mar 1 2004`, which stands for the month that this day begins, and its price. */
function pointOf(date = '', price = ''): Point {
  const [name = '', , year] = date.split(' ');
  const number = monthNames.findIndex((month) => month.startsWith(name)) + 1;
  return { month: `${year}-${String(number).padStart(2, '0')}`, price: Number(price) };
}

function complete(point: Point): boolean {
  return point.month <= lastMonth;
}

function seriesOf(stocks: Map<Ticker, Point[]>, symbol: Ticker): Point[] {
  return stocks.get(symbol) ?? [];
}

function from(series: Point[], month: string): Point[] {
  return series.filter((point) => point.month >= month);
}

/** The return of each month on the one before; one shorter than the series. */
function returns(series: Point[]): Point[] {
  return series
    .slice(1)
    .map((point, i) => ({ month: point.month, price: point.price / at(series, i).price - 1 }));
}

// --- small arithmetic

function at<T>(values: readonly T[], i: number): T {
  const value = values.at(i);
  if (value === undefined) throw new RangeError(`no value at ${i} of ${values.length}`);
  return value;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function round(value: number, places: number): number {
  return Number(value.toFixed(places));
}

function direction(value: number): 'up' | 'down' {
  return value > 0 ? 'up' : 'down';
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function monthName(month: string): string {
  return `${at(monthNames, Number(month.slice(5)) - 1)} ${month.slice(0, 4)}`;
}

function monthsBetween(a: string, b: string): number {
  return (Number(b.slice(0, 4)) - Number(a.slice(0, 4))) * 12 + Number(b.slice(5)) - Number(a.slice(5));
}

// --- the layout

const width = 110;

function fileOf(payload: Json): string {
  return `${print(payload)}\n`;
}

/** JSON laid out as the formatter leaves it: short objects on one line, numbers filled to the width. */
function print(value: Json, depth = 0, lead = 0): string {
  const indent = '  '.repeat(depth + 1);
  const end = '  '.repeat(depth);
  const line = inline(value);
  const fits = lead + line.length < width;
  if (typeof value !== 'object') return line;
  if (Array.isArray(value)) {
    const items: readonly Json[] = value;
    if (items.every((item) => typeof item !== 'object') && fits) return line;
    if (items.every((item) => typeof item === 'number')) return `[\n${fill(items, indent)}\n${end}]`;
    return `[\n${items.map((item) => indent + print(item, depth + 1, indent.length)).join(',\n')}\n${end}]`;
  }
  if (depth > 1 && fits) return line;
  const entries = present(value).map(([key, item]) => {
    const name = `${indent}${JSON.stringify(key)}: `;
    return name + print(item, depth + 1, name.length);
  });
  return `{\n${entries.join(',\n')}\n${end}}`;
}

function inline(value: Json): string {
  if (typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(inline).join(', ')}]`;
  const entries = present(value).map(([key, item]) => `${JSON.stringify(key)}: ${inline(item)}`);
  return `{ ${entries.join(', ')} }`;
}

function present(value: object): [string, Json][] {
  return Object.entries(value).filter(([, item]) => item !== undefined);
}

function fill(numbers: readonly number[], indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const [i, number] of numbers.entries()) {
    const item = i === numbers.length - 1 ? String(number) : `${number},`;
    if (line === '') line = indent + item;
    else if (line.length + 1 + item.length <= width) line += ` ${item}`;
    else {
      lines.push(line);
      line = indent + item;
    }
  }
  return [...lines, line].join('\n');
}

if (process.argv[1] === import.meta.filename) {
  mkdirSync(payloadFolder, { recursive: true });
  for (const [name, text] of Object.entries(makePayloads())) {
    writeFileSync(new URL(`${name}.json`, payloadFolder), text);
    console.log(`examples/payloads/${name}.json  ${Buffer.byteLength(text)} bytes`);
  }
}
