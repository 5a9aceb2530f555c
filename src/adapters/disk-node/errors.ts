/** What the operating system says, in the words of the disk port. */
import { DiskError } from '../../ports/disk.ts';

const reasons: Readonly<Record<string, DiskError['reason']>> = {
  ENOENT: 'not-found',
  EEXIST: 'exists',
  ENOSPC: 'full',
  EDQUOT: 'full',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
  // A link where a file was expected (O_NOFOLLOW).
  ELOOP: 'denied',
};

export function toDiskError(error: unknown, path: string): DiskError {
  if (error instanceof DiskError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new DiskError(reasons[code ?? ''] ?? 'io', path, message, { cause: error });
}
