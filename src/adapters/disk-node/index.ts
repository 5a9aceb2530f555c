export { DirectoryInUseError, type DirectoryLock, lockDirectory } from './directory-lock.ts';
export { NodeDisk } from './node-disk.ts';
