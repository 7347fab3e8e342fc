package ahead

import "syscall"

const sysGetcpu = syscall.SYS_GETCPU
