"""What the terminals of our questions say."""

from __future__ import annotations

TERMINALS = {
    "java-001": """
$ java Stock.java
Exception in thread "main" java.util.ConcurrentModificationException
        at java.base/java.util.ArrayList$Itr.checkForComodification(ArrayList.java:1013)
        at java.base/java.util.ArrayList$Itr.next(ArrayList.java:967)
        at Stock.dropSoldOut(Stock.java:14)
        at Stock.main(Stock.java:6)
$ sed -n 12,19p Stock.java
    /** Forget what is sold out. */
    static void dropSoldOut(List<Item> shelf) {
        for (Item item : shelf) {
            if (item.count() == 0) {
                shelf.remove(item);
            }
        }
    }
""",
    "go-001": """
$ go run count.go words.txt
panic: assignment to entry in nil map

goroutine 1 [running]:
main.tally(...)
        /home/kim/count.go:11
main.main()
        /home/kim/count.go:18 +0x1d4
exit status 2
$ sed -n 7,14p count.go
func tally(words []string) map[string]int {
        var seen map[string]int

        for _, word := range words {
                seen[word]++
        }
        return seen
}
""",
    "bash-001": """
$ touch /srv/thumbs/new.jpg
touch: error: cannot touch '/srv/thumbs/new.jpg': No space left on device
$ df -h /srv/thumbs
Filesystem      Size  Used Avail Use% Mounted on
/dev/vdb1        40G   11G   27G  29% /srv/thumbs
$ df -i /srv/thumbs
Filesystem      Inodes   IUsed IFree IUse% Mounted on
/dev/vdb1      2621440 2621440     0  100% /srv/thumbs
""",
    "cpp-003": """
$ cat -n jobs.cpp | sed -n 9,16p
     9  int main() {
    10      std::vector<Job> jobs;
    11      jobs.push_back({"index", 3});
    12
    13      Job& top = jobs.front();               // <<<
    14      jobs.push_back({top.name + "-again", 0});
    15      log(top.name);                         // <<<
    16  }
$ g++ -fsanitize=address -g jobs.cpp -o jobs && ./jobs
==4711==ERROR: AddressSanitizer: heap-use-after-free on address 0x604000000010
READ of size 8 at 0x604000000010 thread T0
    #0 in log(std::string const&) jobs.cpp:6
    #1 in main jobs.cpp:15
freed by thread T0 here:
    #0 in operator delete(void*, unsigned long)
    #5 in std::vector<Job>::_M_realloc_insert vector.tcc:519
    #7 in main jobs.cpp:14
""",
    "go-003": """
$ kubectl get pods -l app=tiles
NAME                     READY   STATUS             RESTARTS        AGE
tiles-6c9f7d4b58-x2k9v   0/1     CrashLoopBackOff   23 (68s ago)    2h14m
$ kubectl describe pod tiles-6c9f7d4b58-x2k9v | sed -n '/Containers/,/Environment/p'
Containers:
  tiles:
    Image:          registry.local/tiles:1.8.2
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
    Limits:
      cpu:     2
      memory:  192Mi
    Requests:
      cpu:     250m
      memory:  96Mi
    Environment:  <none>
""",
    "php-002": """
$ php install.php --show-tree
Home/
+-- Shop/
|   +-- Tea
|   \\-- Cups
\\-- About/
    \\-- Press
""",
    "bash-002": """
  now                             afterwards
  ------------------------------  --------------------
  Scan 03.11.2024 (7).JPG         2024-11-03_007.jpg
  Scan 28.02.2025 (12).jpeg       2025-02-28_012.jpg
  Scan 31.12.1999 (150).PNG       1999-12-31_150.png
  Scan 05.06.2021 (1).pdf         2021-06-05_001.pdf
""",
}
