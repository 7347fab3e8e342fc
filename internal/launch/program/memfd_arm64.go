package program

const sysMemfdCreate = 279 // package syscall is older than it
