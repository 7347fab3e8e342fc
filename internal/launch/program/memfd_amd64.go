package program

const sysMemfdCreate = 319 // package syscall is older than it
