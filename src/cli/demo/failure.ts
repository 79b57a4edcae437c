/** The demo cannot go on, or found something wrong; the message says what, and what would be right. */
export class DemoFailure extends Error {
  override name = 'DemoFailure';
}
