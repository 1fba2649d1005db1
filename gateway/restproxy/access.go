package restproxy

import (
	"net/http"
	"strings"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

func isV3(path string) bool { return path == "/v3" || strings.HasPrefix(path, "/v3/") }

// covers reports whether a pattern such as api.v3.topics.* names an endpoint.
func covers(pattern, name string) bool {
	head, any := strings.CutSuffix(strings.TrimSpace(pattern), "*")
	return any && strings.HasPrefix(name, head) || name == head
}

// permitted is the rule of api.endpoints.allowlist and -blocklist: without an
// allow list everything is, and the block list wins.
func permitted(name string, allow, block []string) bool {
	for _, pattern := range block {
		if covers(pattern, name) {
			return false
		}
	}
	for _, pattern := range allow {
		if covers(pattern, name) {
			return true
		}
	}
	return len(allow) == 0
}

// refuse answers an endpoint that is not permitted as if it was not there.
func refuse(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		wire.WriteError(w, r, wire.NotFound())
		return
	}
	wire.WriteError(w, r, wire.MethodNotAllowed())
}
