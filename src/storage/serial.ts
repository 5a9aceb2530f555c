/** One asynchronous job after the other, in the order asked; a failed job does not stop the next. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(job: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** When all jobs asked so far have ended, however they ended. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
