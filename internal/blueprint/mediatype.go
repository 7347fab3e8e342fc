package blueprint

// The media types of a blueprint's OCI artifact.
const (
	ArtifactType      = "application/vnd.nemoclaw.blueprint.v1"
	TypeManifest      = "application/vnd.nemoclaw.blueprint.manifest.v1+json"
	TypeNetworkPolicy = "application/vnd.nemoclaw.network-policy.v1+yaml"
	TypeInference     = "application/vnd.nemoclaw.inference.v1+yaml"
	TypeSeed          = "application/vnd.nemoclaw.seed.v1"
	TypeAddition      = "application/vnd.nemoclaw.addition.v1"
	TypeNpmLock       = "application/vnd.nemoclaw.npm-lock.v3+json"
	TypeDebianLock    = "application/vnd.nemoclaw.debian-lock.v1+json"
	TypeLayer         = "application/vnd.nemoclaw.layer.v1.tar+gzip"
	TypeImage         = "application/vnd.oci.image.manifest.v1+json"
)

// MaxBlob is the most bytes that a blob of an artifact may have (packages are
// not blobs of the artifact; they have bounds of their own).
const MaxBlob = 16 << 20

// MaxLayer is the most bytes that a layer may have as it is packed.
const MaxLayer = 192 << 20

var mediaTypes = map[string]bool{
	TypeManifest: true, TypeNetworkPolicy: true, TypeInference: true, TypeSeed: true, TypeAddition: true, TypeNpmLock: true, TypeDebianLock: true, TypeLayer: true,
}
