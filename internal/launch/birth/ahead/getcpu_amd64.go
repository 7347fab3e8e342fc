package ahead

const sysGetcpu = 309 // package syscall is older than it
