/** What an explored cell submits: items numbered from 0 to 999, the number being the request's too; as text, `x007`. */
export function itemOf(n: number): Uint8Array {
  return Uint8Array.of(120, 48 + (Math.floor(n / 100) % 10), 48 + (Math.floor(n / 10) % 10), 48 + (n % 10));
}

export function numberOf(item: Uint8Array): number {
  const [, hundreds = 48, tens = 48, ones = 48] = item;
  return (hundreds - 48) * 100 + (tens - 48) * 10 + (ones - 48);
}
