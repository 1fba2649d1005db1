package admin

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// linksOf are all absolute links of an answer.
func linksOf(value any, out map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if link, ok := inner.(string); ok && (name == "self" || name == "related") {
				out[link] = true
			}
			linksOf(inner, out)
		}
	case []any:
		for _, inner := range v {
			linksOf(inner, out)
		}
	}
}

// TestLinksLead follows every link there is, from the list of clusters on: each
// must lead somewhere, whatever characters the names have.
func TestLinksLead(t *testing.T) {
	for _, name := range []string{"plain", "a/b", "..", "a b?c#d%2Fe&ü;:+"} {
		t.Run(name, func(t *testing.T) {
			p := &proxy{t: t}
			p.kafka, p.admin = newCluster(t, name, kfake.SeedTopics(2, "t"), kfake.SeedTopics(1, "u.v_-"))
			p.handler = serve(t, Deps{Clusters: Fixed{p.admin}})
			p.joinAs(t, name, "i-"+strings.ReplaceAll(name, ".", "x"))
			seen, groups := map[string]bool{}, 0
			todo := []string{"http://proxy:8082/kafka/v3/clusters"}
			for len(todo) > 0 {
				link := todo[0]
				todo = todo[1:]
				if seen[link] {
					continue
				}
				seen[link] = true
				r := httptest.NewRequest("GET", link, nil)
				w := httptest.NewRecorder()
				p.handler.ServeHTTP(w, r)
				if strings.HasSuffix(link, "/reassignment") && w.Code == 404 {
					continue // there is none under way
				}
				if w.Code != 200 {
					t.Errorf("%s leads to %d %s", link, w.Code, w.Body)
					continue
				}
				var body any
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(link, "/consumer-groups/") {
					groups++
				}
				// Of many settings a few do.
				found := map[string]bool{}
				if linksOf(body, found); strings.HasSuffix(link, "configs") {
					for l := range found {
						if !strings.HasSuffix(l, "retention.ms") {
							delete(found, l)
						}
					}
				}
				for l := range found {
					todo = append(todo, l)
				}
			}
			if len(seen) < 30 || groups < 8 {
				t.Errorf("only %d links were followed, %d of groups", len(seen), groups)
			}
		})
	}
}
