package produce

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A record whose text is none has its answer, and so have those around it, in a
// body that is read whole and in a stream.
func TestALoneSurrogateCostsItsRecord(t *testing.T) {
	good := func(n string) string {
		return `{"key":{"type":"BINARY","data":"YQ=="},"value":{"type":"JSON","data":{"n":` + n + `}}}`
	}
	for name, bad := range map[string]string{
		"in a value":         `{"key":{"type":"BINARY","data":"Ilxc"},"value":{"type":"JSON","data":{"s":["\ud800",{"x":"}"}]}}}`,
		"in a name":          `{"\ud800":1,"value":{"type":"JSON","data":2}}`,
		"in a header":        `{"headers":[{"name":"\udc00","value":"YQ=="}],"value":null}`,
		"bytes that are not": "{\"value\":{\"type\":\"STRING\",\"data\":\"\xff\"}}",
	} {
		for _, mark := range []string{"", "\xef\xbb\xbf"} {
			_, client := broker(t)
			url := serve(t, Config{Route: OneCluster(kafkaPublisher{client})})
			body := mark + good("1") + bad + good("3")
			req, _ := http.NewRequest("POST", url+recordsPath, strings.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if lines := strings.Split(strings.TrimSpace(string(text)), "\r\n"); !threeAnswers(lines) {
				t.Errorf("%s, whole: %q", name, lines)
			}
			send, answer, _ := stream(t, url)
			send(body)
			var lines []string
			for range 3 {
				line, err := answer()
				if err != nil {
					t.Errorf("%s, stream: %v", name, err)
					break
				}
				lines = append(lines, line)
			}
			if !threeAnswers(lines) {
				t.Errorf("%s, stream: %q", name, lines)
			}
		}
	}
}

// threeAnswers are those of a good record, a bad one and a good one.
func threeAnswers(lines []string) bool {
	return len(lines) == 3 && strings.Contains(lines[0], `"error_code":200`) && strings.Contains(lines[1], `"error_code":400`) && strings.Contains(lines[2], `"error_code":200`)
}
