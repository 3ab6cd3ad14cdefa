//go:build !linux

package sockettypes_test

import (
	"errors"
	"runtime"
	"testing"

	"workbook.example/tools/labtest"
)

// What these stages are about are Linux's own numbers. Elsewhere their laws
// cannot be tried.

func notLinux(tt *testing.T) {
	labtest.Begin(tt).NotRun("This law is about Linux, and this is "+runtime.GOOS+".",
		`docker run --rm -it -v "$PWD":/workbook -w /workbook golang:1.26 make test-lab 1`)
}

func playPart() {}

func probeSocket() error  { return errors.ErrUnsupported }
func probeOptions() error { return errors.ErrUnsupported }

func TestSocketIsThreeNumbers(tt *testing.T)            { notLinux(tt) }
func TestSocketIsOpenUntilItIsClosed(tt *testing.T)     { notLinux(tt) }
func TestSocketIsNotInherited(tt *testing.T)            { notLinux(tt) }
func TestCloseWakesWhoReads(tt *testing.T)              { notLinux(tt) }
func TestKernelsRefusalIsTold(tt *testing.T)            { notLinux(tt) }
func TestKernelIsAskedAndNotTheType(tt *testing.T)      { notLinux(tt) }
func TestListenerIsTold(tt *testing.T)                  { notLinux(tt) }
func TestBothAddressesAreTold(tt *testing.T)            { notLinux(tt) }
func TestDescribingLeavesTheSocketAlone(tt *testing.T)  { notLinux(tt) }
func TestWhatIsNoSocketIsNotDescribed(tt *testing.T)    { notLinux(tt) }
func TestOptionIsWhatTheKernelHas(tt *testing.T)        { notLinux(tt) }
func TestOptionThatIsSetIsSet(tt *testing.T)            { notLinux(tt) }
func TestOptionHasItsEffect(tt *testing.T)              { notLinux(tt) }
func TestKernelsErrorIsNotLost(tt *testing.T)           { notLinux(tt) }
func TestClosedSocketHasNoOptions(tt *testing.T)        { notLinux(tt) }
func TestBufferHasItsEffectiveSize(tt *testing.T)       { notLinux(tt) }
func TestBufferIsReallySet(tt *testing.T)               { notLinux(tt) }
func TestListenerListens(tt *testing.T)                 { notLinux(tt) }
func TestClosedListenerIsClosed(tt *testing.T)          { notLinux(tt) }
func TestPortBelongsToOneListener(tt *testing.T)        { notLinux(tt) }
func TestReusePortSharesTheConnections(tt *testing.T)   { notLinux(tt) }
func TestRestartedListenerGetsItsPort(tt *testing.T)    { notLinux(tt) }
func TestEveryAddressIsBothFamilies(tt *testing.T)      { notLinux(tt) }
func TestV6OnlyKeepsIPv4Away(tt *testing.T)             { notLinux(tt) }
func TestOptionThatCannotBeHadIsAnError(tt *testing.T)  { notLinux(tt) }
func TestBacklogIsHowManyMayWait(tt *testing.T)         { notLinux(tt) }
func TestPolicyIsKept(tt *testing.T)                    { notLinux(tt) }
func TestUserTimeoutEndsADeadConnection(tt *testing.T)  { notLinux(tt) }
func TestAbortIsAReset(tt *testing.T)                   { notLinux(tt) }
func TestAbortClosesTheSocket(tt *testing.T)            { notLinux(tt) }
func TestStateFollowsTheConnection(tt *testing.T)       { notLinux(tt) }
func TestRoundTripIsTheKernels(tt *testing.T)           { notLinux(tt) }
func TestWhatIsNoConnectionHasNoState(tt *testing.T)    { notLinux(tt) }
func TestKernelsRarerErrorsAreTold(tt *testing.T)       { notLinux(tt) }
func TestGivenUpByTheKernelIsTimedOut(tt *testing.T)    { notLinux(tt) }
func TestRefusalIsAboutAnEarlierDatagram(tt *testing.T) { notLinux(tt) }
func TestOnlyARefusalIsForgiven(tt *testing.T)          { notLinux(tt) }
func TestReceivingSurvivesEveryRefusal(tt *testing.T)   { notLinux(tt) }
func TestReceivingSurvivesARefusal(tt *testing.T)       { notLinux(tt) }
func TestProbeIsRightHere(tt *testing.T)                { notLinux(tt) }
func TestProbeIsRightInANamespace(tt *testing.T)        { notLinux(tt) }
func TestRootMayLackThePrivilege(tt *testing.T)         { notLinux(tt) }
func TestProbeTellsOfNamespaces(tt *testing.T)          { notLinux(tt) }
func TestPeerIsWhoTheKernelSays(tt *testing.T)          { notLinux(tt) }
func TestClosedConnectionHasNoPeer(tt *testing.T)       { notLinux(tt) }
func TestRepliesComeBack(tt *testing.T)                 { notLinux(tt) }
func TestPingNeedsNoPrivilege(tt *testing.T)            { notLinux(tt) }
func TestLackOfPrivilegeIsTold(tt *testing.T)           { notLinux(tt) }
func TestEveryMemberHearsTheGroup(tt *testing.T)        { notLinux(tt) }
func TestWhatIsNoGroupIsRefused(tt *testing.T)          { notLinux(tt) }
func TestMemberHearsItsOwnGroupOnly(tt *testing.T)      { notLinux(tt) }
func TestWhoHasLeftHearsNothing(tt *testing.T)          { notLinux(tt) }
func TestQuestionIsAnswered(tt *testing.T)              { notLinux(tt) }
func TestAnnouncingEndsWithItsContext(tt *testing.T)    { notLinux(tt) }
func TestEverybodyIsFoundOnce(tt *testing.T)            { notLinux(tt) }
func TestQuestionStaysOnThisNetwork(tt *testing.T)      { notLinux(tt) }
func TestAnnouncersAreDiscovered(tt *testing.T)         { notLinux(tt) }
