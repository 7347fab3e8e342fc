package program

// SysMemfdCreate is memfd_create(2).
const SysMemfdCreate = 319 // package syscall is older than it
