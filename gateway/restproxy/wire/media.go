package wire

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/headrace/headrace/gateway/route"
)

// The media types of the two APIs. The embedded formats of v2 are
// application/vnd.kafka.FORMAT.v2+json.
const (
	JSON = route.JSON
	V2   = "application/vnd.kafka.v2+json"
)

// IsV3 reports whether the request is for the v3 API, with or without a prefix
// in front such as /kafka.
func IsV3(r *http.Request) bool {
	path := strings.TrimPrefix(r.URL.Path, route.Prefix(r))
	path = strings.TrimPrefix(path, "/kafka") // also where nothing is mounted and no prefix was noted
	return path == "/v3" || strings.HasPrefix(path, "/v3/")
}

// ErrorMediaType is the type of an error's body: v3 has one type, v2 answers
// in its own unless the client accepts plain JSON only.
func ErrorMediaType(r *http.Request) string {
	if IsV3(r) {
		return JSON
	}
	if _, ok := route.Accepts(r, V2); !ok {
		if _, ok := route.Accepts(r, JSON); ok {
			return JSON
		}
	}
	return V2
}

// WriteJSON answers with v as compact JSON. Characters of HTML are left as they
// are, and no line break follows, as the original does. A nil v has no body
// and no Content-Type.
func WriteJSON(w http.ResponseWriter, r *http.Request, status int, mediaType string, v any) {
	if v == nil {
		w.WriteHeader(status)
		return
	}
	body, err := Marshal(v)
	if err != nil {
		// Only values of our own types come here: a failure is a fault of ours.
		record(w, err)
		status, body = http.StatusInternalServerError, []byte(`{"error_code":500,"message":"Internal Server Error"}`)
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone; nobody is left to tell
	}
}

// Marshal is the JSON form of every answer: compact, HTML left alone.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
