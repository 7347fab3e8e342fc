package early

const sysGetrandom = 318 // package syscall is older than it
