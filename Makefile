# The workbook's face. Every verb is one call of bin/lab, which can say more
# about itself: bin/lab help test. The lines with two number signs are what
# `make` alone prints.

##
## Learn
##   make list                       the labs, their stages and points
##   make test-lab 2                 is my lab 2 right?
##   make test-lab 2 STAGE=4         only stage 4; SEED=… replays, V=1 shows all
##   make hint 2                     a nudge for the stage you are at
##   make run-lab 2 [ARGS="…"]       start the program of lab 2, from your code
##   make net-lab                    a shell in a network of your own, with routers
##   make bench-lab 2                how fast is mine beside the solution?
##
## Look behind
##   make test-solution 2            the solution under the same tests
##   make verify [2]                 the proof that the tests of a lab earn their place
##   make bench-fanout               the chat server beside nats-server and ngircd
##   make bench-detectors            the failure detectors of lab 4, on networks that lose
##   make bench-diag                 diag of lab 5 beside ping, traceroute and tcpdump
##   make test                       everything that must hold before a change lands
##
## A lab is named by its number, its folder or its short name; LAB=2 works too.
##

.DEFAULT_GOAL := help

# What each verb takes: a lab, or a lab if you like. `make test-lab 2` names a
# second goal, 2, which is no file to make: it is the verb's argument.
with_lab := test-lab test-solution run-lab hint bench-lab verify
verb := $(firstword $(MAKECMDGOALS))
ifneq ($(filter $(verb),$(with_lab)),)
  arguments := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
endif
lab := $(if $(LAB),$(LAB),$(arguments))

options := $(if $(STAGE),--stage '$(STAGE)') $(if $(SEED),--seed '$(SEED)') $(if $(V),-v)

.PHONY: help list test-lab test-solution run-lab hint bench-lab verify net-lab bench-fanout bench-detectors bench-diag test $(arguments)

help:
	@sed -n 's/^##[ ]\{0,1\}//p' $(firstword $(MAKEFILE_LIST))

list: bin/lab
	@bin/lab list

test-lab: needs-lab bin/lab
	@bin/lab test $(lab) $(options) $(if $(FROM),--from '$(FROM)')

test-solution: needs-lab bin/lab
	@bin/lab test $(lab) $(options) --solution

run-lab: needs-lab bin/lab
	@bin/lab run $(lab) $(if $(ARGS),-- $(ARGS))

hint: needs-lab bin/lab
	@bin/lab hint $(lab) $(if $(STAGE),--stage '$(STAGE)') $(if $(HINT),--number '$(HINT)')

bench-lab: needs-lab bin/lab
	@bin/lab bench $(lab)

net-lab: bin/lab
	@bin/lab net $(if $(ROUTERS),--routers '$(ROUTERS)') $(if $(ARGS),-- $(ARGS))

verify: bin/lab
	@bin/lab verify $(lab)

bench-fanout:
	@go run -C tools ./cmd/fanload $(ARGS)

bench-detectors:
	@go run -C tools ./cmd/detectors $(ARGS)

bench-diag: bin/lab
	@bin/lab net --solution --routers 4 -- go run -C tools ./cmd/diagbench $(ARGS)

test: bin/lab
	@go run -C tools ./cmd/check

# Wrong use is told in one sentence.
.PHONY: needs-lab
needs-lab:
	@test -n '$(lab)' || { echo "Which lab? Say for example: make $(verb) 2 (make list shows them)" >&2; exit 2; }

.DEFAULT:
	@echo "There is no 'make $@'; make alone shows what there is." >&2; exit 2

# The argument of a verb is made by doing nothing.
ifneq ($(arguments),)
$(arguments):
	@:
endif

# bin/lab is built again when something changed that it is built from.
bin/lab: $(shell find tools -type f -not -name '*_test.go' -not -path '*/testdata/*') go.work
	@command -v go >/dev/null || { echo "Go 1.26 or newer is needed: https://go.dev/dl" >&2; exit 2; }
	@go build -C tools -o ../bin/lab ./cmd/lab
