import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OpenRequests } from '../../src/runtime/open-requests.ts';

test('holds what a map would hold, whatever is answered in whatever order', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), ahead: fc.nat({ max: 3 }) }),
    fc.record({ kind: fc.constant('take' as const), back: fc.nat({ max: 200 }) }),
    fc.record({ kind: fc.constant('take-all' as const) }),
  );
  const property = fc.property(fc.array(fc.oneof({ weight: 40, arbitrary: step }), { maxLength: 400 }), (steps) => {
    const open = new OpenRequests<string>();
    const model = new Map<number, string>();
    let next = 1;
    for (const it of steps) {
      if (it.kind === 'add') {
        next += it.ahead;
        open.add(next, `request ${next}`);
        model.set(next, `request ${next}`);
        next++;
      } else if (it.kind === 'take') {
        const request = next - it.back;
        expect(open.take(request)).toBe(model.get(request) ?? null);
        model.delete(request);
      } else if (model.size > 150) {
        expect(open.takeAll()).toEqual([...model]);
        model.clear();
      }
      expect(open.size).toBe(model.size);
    }
    expect(open.takeAll()).toEqual([...model]);
  });
  fc.assert(property, { numRuns: 200 });
});

test('one that stays open while many thousand are answered is still there', () => {
  const open = new OpenRequests<number>();
  open.add(1, 1);
  for (let request = 2; request < 10_000; request++) {
    open.add(request, request);
    expect(open.take(request)).toBe(request);
  }
  expect(open.take(1)).toBe(1);
  expect(open.take(1)).toBeNull();
  expect(open.size).toBe(0);
});
