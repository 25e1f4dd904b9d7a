module bridge.test/regexp

go 1.26.0
