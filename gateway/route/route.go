// Package route holds the table of HTTP routes that every door is served from:
// one entry serves a path and describes it. Because the API's description is
// made from the same entries that are mounted, neither can say something the
// other does not. It knows no door: how errors look is the table's matter.
package route

import (
	"net/http"
	"regexp"
	"slices"
)

// Table is the routes of one door.
type Table struct {
	Routes []Route
	// Prefixes are the paths that the routes are served below; none is "",
	// the root.
	Prefixes []string
	// Refuse answers in the door's shape what no handler of it gets to see. It
	// is required.
	Refuse Refuse
	// Error describes the bodies of errors: a value of the Go type and the
	// media types it may have. Any route may answer so without an entry.
	Error Response
}

// Refuse writes an error that is found before a handler: a method, media type,
// identity or rate that does not do. An empty reason leaves the words to the
// door. It may set headers of its own and keeps those that are set already.
type Refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)

// Route is one method of one path.
type Route struct {
	Method string // GET also answers HEAD
	// Path is a pattern of http.ServeMux without method: {name} is a path
	// parameter, named in Params when it is not a plain string.
	Path string
	// ID is the operation's unique name, such as listKafkaTopics.
	ID string
	// Name is the endpoint's name in allow lists, block lists and rate-limit
	// costs, such as api.v3.topics.list.
	Name    string
	Tag     string
	Summary string
	Params  []Param
	// Request is the body; nil when the method takes none.
	Request *Body
	// Responses are the successes and the errors worth naming.
	Responses []Response
	// OwnTypes says that the handler checks media types by itself.
	OwnTypes bool
	// Hidden leaves the route out of descriptions.
	Hidden  bool
	Handler http.Handler
}

// Param is a parameter in the query, a path or a header.
type Param struct {
	Name, In, Doc string
	Type          any // a value of the Go type; nil is string
	Required      bool
	Enum          []string
	Default       any
}

// Body is a request body: the media types it may have, and a value of the Go
// type that it is decoded into.
type Body struct {
	Types    []string
	RawTypes []string // those whose bytes are taken as they are
	Value    any
	Optional bool
	Doc      string
}

// Response is an answer: a value of the Go type that it is made from, nil for
// no body, and the media types it may have (JSON when empty).
type Response struct {
	Status int
	Value  any
	Types  []string
	Doc    string
}

// Produces are the media types of the successes.
func (r *Route) Produces() []string {
	var types []string
	for _, res := range r.Responses {
		if res.Status < 300 && res.Value != nil {
			if len(res.Types) == 0 {
				types = append(types, JSON)
			}
			types = append(types, res.Types...)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

var pathParam = regexp.MustCompile(`\{([^{}.$]+)(?:\.\.\.)?\}`)

// PathParams are the names of a path's parameters, in order.
func PathParams(path string) []string {
	var names []string
	for _, m := range pathParam.FindAllStringSubmatch(path, -1) {
		names = append(names, m[1])
	}
	return names
}

// Shape is a path without the names of its parameters: two paths of one shape
// are the same resource.
func Shape(path string) string { return pathParam.ReplaceAllString(path, "{}") }
