/** No answer. `sent` is false only when the request certainly never left. */
export class TransportError extends Error {
  readonly sent: boolean;

  constructor(message: string, sent: boolean, cause?: unknown) {
    super(message, { cause });
    this.name = 'TransportError';
    this.sent = sent;
  }
}
