package consume

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// poll406 reads in a type that is not the consumer's; the answer names it.
func (p *proxy) poll406(instance, accept, own string) {
	p.t.Helper()
	if code, body, _ := p.call("GET", instance+"/records", accept, ""); code != 406 || !strings.Contains(body, "40601") || !strings.Contains(body, own) {
		p.t.Errorf("%s: %d %s", accept, code, body)
	}
}

// TestAbsentIsNotZero: what a body leaves out is refused, and nothing moved.
func TestAbsentIsNotZero(t *testing.T) {
	p := serve(t, Config{})
	p.write(0, "a", "b", "c")
	p.want("POST", "/consumers/g", `{"id":"i","auto.commit.enable":false,"fetch.min.bytes":1}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	p.want("POST", one+"/positions", `{"offsets":[{"topic":"t","partition":0,"offset":1}]}`, 204, "")
	p.want("POST", one+"/offsets", `{"offsets":[{"topic":"t","partition":0,"offset":50}]}`, 200, `[]`)
	lists := map[string][]string{
		"/offsets":             {"offsets"},
		"/positions":           {"offsets", "timestamps"},
		"/assignments":         {"partitions"},
		"/positions/beginning": {"partitions"},
		"/positions/end":       {"partitions"},
	}
	whole := map[string][]string{
		"offsets":    {`"topic":"t"`, `"partition":0`, `"offset":0`},
		"timestamps": {`"topic":"t"`, `"partition":0`, `"timestamp":0`},
		"partitions": {`"topic":"t"`, `"partition":0`},
	}
	for path, names := range lists {
		for _, name := range names {
			for i, field := range whole[name] {
				left := append(append([]string{}, whole[name][:i]...), whole[name][i+1:]...)
				key, _, _ := strings.Cut(field, ":")
				for _, body := range []string{strings.Join(left, ","), strings.Join(append(left, key+":null"), ",")} {
					body = `{"` + name + `":[{` + body + `}]}`
					if code, answer, _ := p.call("POST", one+path, "", body); code != 422 {
						t.Errorf("POST %s %s: %d %s", path, body, code, answer)
					}
				}
			}
		}
	}
	for _, path := range []string{"/assignments", "/positions/beginning", "/positions/end"} {
		if code, answer, _ := p.call("POST", one+path, "", `{}`); code != 422 {
			t.Errorf("POST %s {}: %d %s", path, code, answer)
		}
	}
	p.want("POST", one+"/offsets", `{"offsets":[]}`, 200, `[]`) // names nothing, stores nothing
	p.want("GET", one+"/assignments", "", 200, `{"partitions":[{"topic":"t","partition":0}]}`)
	p.want("GET", one+"/offsets", `{"partitions":[{"topic":"t","partition":0}]}`, 200, `{"offsets":[{"topic":"t","partition":0,"offset":51,"metadata":""}]}`)
	if got := p.poll(one, "*/*", 2); !strings.Contains(got[0], `"offset":1`) {
		t.Errorf("the position moved: %s", got[0])
	}
}

func TestEmptyTopicsUnsubscribe(t *testing.T) {
	p := serve(t, Config{})
	p.want("POST", "/consumers/g", `{"id":"i"}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/subscription", `{"topics":["t"]}`, 204, "")
	p.want("POST", one+"/subscription", `{"topics":[]}`, 204, "")
	p.want("GET", one+"/subscription", "", 200, `{"topics":[]}`)
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
}

// TestAcceptOwnType: what allows the consumer's type gets it.
func TestAcceptOwnType(t *testing.T) {
	p := serve(t, Config{})
	p.write(0, "1")
	p.want("POST", "/consumers/g", `{"id":"i","format":"json","fetch.min.bytes":1}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	const own = "application/vnd.kafka.json.v2+json"
	for accept, want := range map[string]int{
		own + ", */*": 200, "*/*, " + own: 200, "*/*": 200, "application/*": 200, "application/json": 200, "": 200,
		"application/vnd.kafka.binary.v2+json;q=0.5, */*": 200, "text/html, */*;q=0.1": 200,
		"application/vnd.kafka.binary.v2+json": 406, "application/vnd.kafka.v2+json": 406, own + ";q=0": 406, "text/plain": 406,
	} {
		code, body, header := p.call("GET", one+"/records?timeout=50", accept, "")
		if code != want || code == 200 && header.Get("Content-Type") != own || code == 406 && !strings.Contains(body, own) {
			t.Errorf("Accept %q: %d %s %s", accept, code, header.Get("Content-Type"), body)
		}
	}
	if code, body, _ := p.call("GET", one+"/subscription", "text/plain", ""); code != 406 || !strings.Contains(body, "application/vnd.kafka.v2+json") {
		t.Error(code, body)
	}
}

// TestOneBadHalf: a key that is not in the format hides no value.
func TestOneBadHalf(t *testing.T) {
	p := serve(t, Config{Decoder: words{}})
	if err := p.client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Key: []byte("k"), Value: []byte("\x00\x00\x00\x00\x01w")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p.want("POST", "/consumers/g", `{"id":"i","format":"avro","fetch.min.bytes":1}`, 200, `{"instance_id":"i","base_uri":"URL/consumers/g/instances/i"}`)
	p.want("POST", one+"/assignments", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
	for query, want := range map[string]string{
		"":                               `"key":{"error_code":40801,"message":"unknown magic byte","raw":"aw=="},"value":{"word":"w"},"partition":0,"offset":0,"error_code":40801,"error":"key: unknown magic byte"}`,
		"&key_format=string":             `"key":"k","value":{"word":"w"},"partition":0,"offset":0}`,
		"&format=binary":                 `"key":"aw==","value":"AAAAAAF3","partition":0,"offset":0}`,
		"&format=json&key_format=binary": `"key":"aw==","value":{"error_code":40801,"message":"the bytes are not JSON","raw":"AAAAAAF3"},"partition":0,"offset":0,"error_code":40801,"error":"value: the bytes are not JSON"}`,
	} {
		p.want("POST", one+"/positions/beginning", `{"partitions":[{"topic":"t","partition":0}]}`, 204, "")
		_, got, _ := p.call("GET", one+"/records?timeout=5000"+query, "", "")
		if d := cmp.Diff(`[{"topic":"t",`+want+`]`, got); d != "" {
			t.Errorf("%s: %s", query, d)
		}
	}
	const records = "/v3/clusters/C/topics/t/partitions/0/records?format=avro"
	for query, want := range map[string]string{
		"":                   `"key":{"type":"AVRO","data":null,"error_code":40801,"message":"unknown magic byte","raw":"aw=="},"value":{"type":"AVRO","data":{"word":"w"}},"error_code":40801`,
		"&key_format=string": `"key":{"type":"STRING","data":"k"},"value":{"type":"AVRO","data":{"word":"w"}}}`,
	} {
		if _, got, _ := p.call("GET", records+query, "", ""); !strings.Contains(got, want) {
			t.Errorf("%s: %s", query, got)
		}
	}
	if code, got, _ := p.call("GET", one+"/records?key_format=xml", "", ""); code != 400 {
		t.Error(code, got)
	}
}

func TestReadOutsideNamesTheBounds(t *testing.T) {
	p := serve(t, Config{})
	p.write(0, "a", "b")
	code, body, _ := p.call("GET", "/v3/clusters/C/topics/t/partitions/0/records?offset=99", "", "")
	if code != 400 || !strings.Contains(body, "the earliest offset is 0, the latest 2") {
		t.Error(code, body)
	}
}
