package birth

const sysExecveat = 281 // package syscall is older than it
