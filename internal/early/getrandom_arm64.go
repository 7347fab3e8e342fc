package early

const sysGetrandom = 278 // package syscall is older than it
