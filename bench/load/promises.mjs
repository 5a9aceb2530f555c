/** The load connections' callbacks as promises, for whatever is not measured by the microsecond. */

/** `call(connection, 'put', key, value)`; rejects after `timeoutMs` and closes the connection then. */
export function call(connection, operation, ...rest) {
  return callWithin(30_000, connection, operation, ...rest);
}

export function callWithin(timeoutMs, connection, operation, ...rest) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`no answer to ${operation} within ${timeoutMs} ms`));
      connection.close();
    }, timeoutMs);
    connection[operation](...rest, (error, result) => {
      clearTimeout(timer);
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}
