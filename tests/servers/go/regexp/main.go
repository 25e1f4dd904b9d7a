// Command regexp says what Go's regular expressions make of patterns: sops is written in Go.
//
// It reads lines of JSON, each an array of a pattern and a text, and answers each with
// a line: "true" or "false" if the pattern matches or not, "refused" if it is none.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var asked [2]string
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			os.Exit(1)
		}
		compiled, err := regexp.Compile(asked[0])
		if err != nil {
			fmt.Println("refused")
			continue
		}
		fmt.Println(compiled.MatchString(asked[1]))
	}
}
