package plan

// System is the tree of programs that a sandbox is built on: the machine's own,
// or a pinned base that takes its place.
type System struct {
	// Root is the host's folder in which Folders lie; "" is its root.
	Root string
	// Links are the top-level symbolic links of a merged /usr, such as
	// "/bin" → "usr/bin".
	Links map[string]string
	// Folders are those of SystemFolders that are real folders, in that order.
	Folders []string
	// Etc are those of EtcWanted that exist here.
	Etc []EtcEntry
	// Localtime is the content of /etc/localtime, empty for UTC.
	Localtime []byte
	// LocalZone is the file of Folders that it is a link to, "" where it is none
	// or the tree has not that zone.
	LocalZone string
}

// EtcEntry is a file or folder of /etc.
type EtcEntry struct {
	Path   string // inside
	Source string // on the host; "" is Path
	Folder bool
}

func (e EtcEntry) source() string {
	if e.Source != "" {
		return e.Source
	}
	return e.Path
}

// SystemFolders are where a Linux system keeps its programs.
var SystemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// EtcWanted are the files and folders of /etc that programs need
// and that say nothing about the operator. All others do not exist inside.
var EtcWanted = []string{
	"/etc/alternatives", // Debian's symbolic links into /usr
	"/etc/ca-certificates.conf",
	"/etc/chromium.d",      // without it Debian's chromium does not start
	"/etc/crypto-policies", // Fedora's OpenSSL configuration
	"/etc/debian_version",
	"/etc/fonts",           // browsers
	"/etc/java-11-openjdk", // Debian keeps a JVM's own configuration here
	"/etc/java-17-openjdk",
	"/etc/java-21-openjdk",
	"/etc/ld.so.cache",
	"/etc/ld.so.conf",
	"/etc/ld.so.conf.d",
	"/etc/magic",
	"/etc/mime.types",
	"/etc/os-release",
	"/etc/pki/ca-trust/extracted", // Fedora's certificates
	"/etc/pki/tls/certs",
	"/etc/pki/tls/openssl.cnf",
	"/etc/protocols",
	"/etc/services",
	"/etc/ssl/cert.pem", // Alpine's certificates
	"/etc/ssl/certs",
	"/etc/ssl/openssl.cnf",
	"/etc/terminfo",
}
