"""Own sentences around names, and own sentences without any: what the English tagger is trained on.

{n} a full name, {f} a first name, {l} a surname, {i} initials and surname, {r} "Surname, First", {t} a title and a
name, {c} a place, {o} an organisation, {a} an address; {D} a date, {N} a number, {W} a capital word or product, {w} a
plain word, {R} a role. Written without sight of any evaluation text.
"""

ENTITY = r"""
Hi {f},\n\nplease find the {w} attached.\n\nBest wishes,\n{n}
Dear {t},\n\nThank you for your letter of {D}. We will answer within {N} days.\n\nYours sincerely,\n{n}\n{o}
Hello {f}, just checking whether you got my last message about the {w}.\n\nThanks,\n{f}
Dear {f} and {f},\nwe would love to see you at our place in {c} on {D}.\n{f}
{f},\n\nas discussed, here are the numbers for {c}. {n} has the rest.\n\n{f}
Good morning {t}, your order {N} has shipped to {c}.
To: {n}\nCc: {n}; {n}\nSubject: {w} {w}
From: {n} <{e}>\nSent: {D}\nTo: {n}
On {D}, {n} wrote:
On {D} at {N}:{N}, {n} <{e}> wrote:
Best regards,\n{n}\n{R}, {o}\nTel. {N}
Kind regards\n{n}
Cheers,\n{f}
Many thanks, {f}
Yours,\n{i}
-- \n{n}\n{o}\n{a}
Sincerely,\n\n{n}\n{a}
Please forward this to {n} in {c} and to {t} at {o}.
I am writing to introduce {n}, who will take over from {n} at the end of the month.
{f} will be out of the office until {D}; for urgent matters please write to {n}.
Could you add {n} to the guest list? {f} confirmed yesterday.
I have asked {f} to prepare the {w} and to send it to {t}.
Attached is the contract between {n} and {o}, dated {D}.
Regards, {n} ({o})
Thank you {f}! That was quick.
{f} from {o} called about the {w}. Please ring back.
Has {f} paid the {w} yet? {f} asked me twice.
@{f} can you review this?
{f}: are we still on for tonight?\n{f}: yes, see you at eight
[{N}:{N}] {f}: I pushed the fix\n[{N}:{N}] {n}: thanks, deploying
[{N}:{N}:{N}] <{f}> the {w} is down again
{f} joined the channel
{f} and {f} left the group
{n} changed the topic to "{w} {w}"
hey {f}, got a minute?
thanks {f}, will do
where is {f}? the meeting started
i told {f} already but she did not listen
so {f} said we should wait for {f}
my name is {f} and i live in {c}
my name is {n}
I'm {f}, nice to meet you.
i am {n} from {c}, i need help with my {w}
this is {f} from {o}, do you have a moment
Hi, {f} here. I cannot log in any more.
ask {f} about it, or {f} if she is away
call {n} when you land in {c}
say hi to {f} for me
{f} is coming too, with her husband {f}
i think {l} is wrong about this
we went to {c} with {f} and {f} last summer
did you hear that {n} got the job?
Ticket opened by {n}: cannot print since {D}.
Customer {n} ({N}) called on {D} and asked for a refund.
Assigned to {n}, watched by {n} and {f}.
Reporter: {n}\nAssignee: {n}\nStatus: open
Requester {n} says that the {w} in {c} is broken.
Caller: {n}, account {N}. Wants to cancel.
{t} complained that the {w} never arrived in {c}.
The customer, {n}, lives at {a}.
Ship to: {n}, {a}
Deliver to {n}\n{a}
Name: {n}\nAddress: {a}\nPhone: {N}
Name: {r}
Full name: {n}
First name: {f}\nLast name: {l}
Last Name: {l}, First Name: {f}
Customer name: {n}, city: {c}, company: {o}
Patient: {n}, born {D}, admitted to {o}
Patient name {n} MRN {N}
Emergency contact: {n} ({w})
Insured person: {r}, policy {N}
Attn: {n}\n{o}\n{a}
Signed: {n}
Signed by {n} on {D} in {c}
Witness: {n}
Attendees: {n}, {n}, {n}
Present: {f}, {f}, {n}. Absent: {n}.
Speakers: {n} ({o}), {n} ({o}) and {n} ({c})
Participants\n- {n}\n- {n}\n- {n}
1. {n}\n2. {n}\n3. {n}
* {n} ({c})\n* {n} ({c})
{n}; {n}; {n}
{r}; {r}
name,city,{w}\n{n},{c},{N}\n{n},{c},{N}
id;name;email\n{N};{n};{e}\n{N};{n};{e}
{n}\t{c}\t{N}
| {n} | {c} | {N} |
{{"name": "{n}", "city": "{c}", "age": {N}}}
{{"first_name": "{f}", "last_name": "{l}", "employer": "{o}"}}
{{"user": {{"displayName": "{n}"}}, "role": "{w}"}}
<name>{n}</name><city>{c}</city>
<p>Written by <b>{n}</b> on {D}</p>
user="{n}" action={w} status={N}
user={f} ip={N}.{N}.{N}.{N}
{D} INFO login succeeded for {n} ({N} ms)
{D} ERROR payment of {n} was declined
{D} [worker-{N}] sending the report to {n}
{D} DEBUG {w}: user {f} opened {w}
audit: {n} deleted {w} {N}
Accepted password for {f} from {N}.{N}.{N}.{N} port {N}
created by {n} on {D}
Last edited by {f} {N} minutes ago
Author: {n} <{e}>\nDate: {D}\n\n    Fix the {w}
Signed-off-by: {n} <{e}>
Reviewed-by: {n}
Merge branch of {f} into main
Merged by {n} after review by {f}
# TODO({f}): remove this once the {w} is gone
# written by {n}, {D}
// {f} says this is safe
// Copyright (c) {N} {n}
/* Author: {n} */
# Thanks to {n} for the hint about the {w}
@author {n}
'''Maintained by {n} at {o}.'''
customer = "{n}"
name = '{n}'
print("Hello, {n}")
assert greet("{f}") == "Hello {f}"
users = ["{n}", "{n}", "{f}"]
INSERT INTO people VALUES ({N}, '{n}', '{c}');
SELECT * FROM people WHERE last_name = '{l}';
Bug found by {n} ({o}) while testing in {c}.
Write a birthday poem for my {k} {f}.
Write an email to {t} asking for an extension until {D}.
Write a reference for {n}, who worked for us at {o} from {N} to {N}.
Write a story about a {R} named {f} who lives in {c}.
Tell me about {n}.
Who is {n}? What did {l} do?
Summarize the speech that {n} gave in {c}.
Draft a reply to {f}: she wants to move the {w} to {D}.
Please rewrite this message to {f} in a friendly tone.
My {k} {f} is {N} years old and loves {w}. Suggest a present.
my {k} {f} and i are going to {c}
Our {k} {n} passed away on {D}; we need a short notice for the newspaper.
Translate into French: "{f} lives in {c} and works for {o}."
The patient {n} is a {N}-year-old {R} from {c}.
I work with {n} and {n} at {o}. How do I tell {f} that I am leaving?
Create an invoice for {n}, {a}.
Extract the names: {n} met {n} and {l} in {c}.
Please check this cover letter. "Dear {t}, I would like to apply at {o} in {c}."
Roleplay: you are {f}, a {R} from {c}. I am {f}.
Character list: {n} ({R}), {n} ({R}), {f}
{f} looked at {f}. "Where is {l}?" she asked.
"I do not know," said {f}. {f} shrugged.
{f} opened the door and saw {n} standing in the rain.
When {f} was a child, her {k} {f} took her to {c} every year.
{n} was born in {c} in {N} and studied at {o}.
{n} ({N}-{N}) was a {R} from {c}.
{n}, a {R} from {c}, won the prize on {D}.
{n}, {N}, of {c}, was taken to {o} with minor injuries.
{n} said on {D} that {o} would close its office in {c}.
"It is too early to say," {n} told reporters in {c}.
{R} {n} met {R} {n} in {c} on {D}.
{R} {l} declined to comment.
{t} resigned after {N} years at {o}.
{o} appointed {n} as its new {R}.
{o} said that {n} would succeed {n}.
The {R}, {n}, denied the charges.
Police are looking for {n}, {N}, last seen in {c}.
{l} scored in the {N}th minute and {l} added another.
{l} beat {l} in {N} sets in {c}.
{l} and {l} were among those who signed.
According to {n} of {o}, prices in {c} rose by {N} percent.
{n}'s book about {c} appeared in {N}.
{f}'s {k} lives in {c}.
{l}'s lawyer, {n}, said that the court in {c} had erred.
The film, directed by {n}, stars {n} and {n}.
The song was written by {n} and {n}.
A study by {n} and colleagues at {o} ({c}) found no effect.
{l} et al. ({N}) measured the {w}.
as shown by {l} ({N}) and later by {l} and {l} ({N})
{i}, {i} and {i}: On the {w} of {w}. Journal of {W}, {N}.
{r} and {r}. {N}. {W} and {W}. {c}: {o}.
Supported by a grant to {i}.
In {N}, {l} left {c} for {c}, where {f} had opened a {w}.
The {o} in {c} is led by {n}.
{n} replaced {n} as {R} of {o}.
{n} (left) with {n} at {o}, {D}
Photo: {n}
Text by {n}, pictures by {n}
Interview: {n}
With {n}, {n} and {n}
Hosted by {n}
Guest: {n}, {R} at {o}
Instructor: {n}, room {N}
Prof. {n} teaches {w} at {o}.
{t} will see you now.
{t} and {t} are expected in {c}.
Please welcome {t} of {o}!
We thank {n}, {n} and {n} for their comments.
In memory of {n}
Congratulations to {n} and {n} on their wedding!
Happy birthday, {f}!
Good luck {f}, we will miss you in {c}.
Landlord: {n}. Tenant: {n}. Premises: {a}.
This agreement is made between {n} ("the buyer") and {o}.
I, {n}, residing at {a}, declare the following.
Beneficiary: {n}\nBank: {o}\nReference: {N}
Payment of {N} received from {n}, thank you.
Booking for {n}, {N} nights in {c}
Passenger: {r}\nFlight to {c} on {D}
Driver: {n}, licence {N}
Teacher {n} asked {f} to read aloud.
{f} ({N}) and {f} ({N}) live with their {k} in {c}.
Our contact in {c} is {n}, {R} at {o}.
The keys are with {f} at the front desk.
Tell {f} that {t} called.
{n} recommended you.
I met {n} in {c} through {n}.
What happened to {n} after he left {o}?
It was {f} who found the {w}, not {f}.
Between us, {f} and {l} do not get along.
{f}, {f} and {f} share a flat in {c}.
Let {f} know when {n} arrives.
Neither {f} nor {f} has a key.
Contact {n} at {e} or {N}.
{n} - {R} - {o}
{n}, {o}, {c}
{n} | {R} | {c}
{n}\n{R}\n{o}
Resume\n{n}\n{a}\n{e}
REF: {N} / {n} / {c}
Re: {l}, {w} of {D}
Re: visit of {n}
Minutes of {D}: {f} reports on {c}, {l} on the {w}.
Decision: {f} talks to {o}; {n} writes the {w}.
Next steps: {f} - call {o}; {f} - book {c}
I live in {c} and work for {o}.
We opened offices in {c}, {c} and {c}.
The train from {c} to {c} was late again.
{o} has its seat in {c}.
Our new address is {a}.
Meet me at {a} at {N}.
The warehouse at {a} is closed on {D}.
{o} and {o} signed the {w} in {c}.
He moved from {c} to {c}, {c}, when he was {N}.
flights to {c} in {w}
We deliver to {c}, {c}, {c}, {c} and {c}.
Locations: {c}, {c}, {c}, {c}
branches in {c}, {c} and {c}; more to follow in {c}
{c}, {c} - {D}
{c} ({c}) is twinned with {c}.
people in {c} speak {L}
how far is {c} from {c}?
{n}, fluent in {L} and {L}, has lived in {c} and {c}.
{l} asked {l} whether {c} was worth a visit.
i met {f} at the {w} in {c}, he works with {f}
so {f}, {f} and me went to {c}
{f} thinks the {w} should go to {f}
The weather in {c} and {c} will be fine.
""".strip("\n").split("\n")

NEGATIVE = r"""
How do I install {W} on {W}?
What is the difference between {W} and {W}?
{W} {W} {W}
# {W} {W}\n\nThis section describes the {w}.
## {W}\n\n- {W}: the {w}\n- {W}: another {w}
The {W} Guide to {W} {W}
{W} {N}.{N}.{N} was released on {D}.
Use the {W} button to open the {W} dialog.
Click {W}, then {W}, then Save.
Error: {W} is not defined in {W}
{W}Error: cannot open the {w}
class {W}{W}({W}): pass
from {w} import {W}, {W}
import {W} from "{w}"
const {W} = require("{w}");
new {W}({w}, {w}).{w}()
{W}.{w}({w})
if {w} is None: raise {W}("{w}")
TODO: rename {W} to {W}
FIXME: the {W} test fails on {W}
WARN {W}: {w} took {N} ms
INFO Starting {W} on port {N}
{D} ERROR {W}: {w} failed with code {N}
{D} INFO {W} {W} finished in {N} ms
The {W} of {W} is a {w} {w}.
I bought a {W} {W} and it broke after {N} days.
My {W} does not connect to {W}.
The {W} team will meet on {D}.
Our {W} plan costs {N} per month.
In {D}, the {w} will be longer.
Every Monday and Friday we have a {w}.
Happy New Year! Merry Christmas!
The Great {W} War ended in {N}.
{W}, {W} and {W} are {w} languages.
Write a function in {W} that returns the {w}.
Write a poem about {w} and {w}.
Write an essay on the {W} Revolution.
Explain {W} to a child.
Explain the {W} effect in simple words.
Summarize the following text about {W}.
Give me {N} ideas for a {w} {w}.
Translate to German: the {w} is {w}.
Fix the grammar: this {w} are {w}.
Act as a {W} expert.
You are a helpful assistant. Answer in {W}.
Can you recommend a {w} for {W}?
Please list the {w} of {W}.
Is {W} better than {W} for {w}?
Table of Contents\n{W} ... {N}\n{W} ... {N}
Chapter {N}: The {W} {W}
Figure {N}. {W} of the {w}
Section {N} {W} and {W}
Dear Sir or Madam,\n\nI am writing about the {w}.
Dear customer, your {W} {w} is ready.
Dear Hiring Manager,\n\nI want to apply as a {R}.
Dear team, the {W} release is out.
Hi all,\n\nthe {w} is fixed.\n\nBest regards,\nThe {W} Team
Hello everyone, welcome to {W}!
Hello World
Best regards
Thanks in advance
Good luck with the {w}!
Name: [REDACTED]\nAddress: [REDACTED]
Name: <NAME_1>, phone: <PHONE_1>
Dear [NAME],\nthank you for your {w}.
Name: {w}\nType: {W}\nSize: {N}
Full name: ________
Name: N/A
The name of the {w} is {W}.
Username: {w}{N}
name = "{w}"
{{"name": "{w}", "version": "{N}.{N}", "license": "{W}"}}
{{"type": "{W}", "status": "{w}"}}
{w}: {W}\n{w}: {N}
<div class="{w}">{W}</div>
SELECT {w} FROM {W} WHERE {w} = {N};
docker run {w}/{w}:{N}
$ {w} --{w} {N}
GET /{w}/{w} HTTP/1.1\nHost: {w}.example.org
{W}-{W}: {w}
{W} vs. {W}: which is better?
{W} (n.): a {w} that is {w}
{W} is the capital of the {w} {W}.
A {W} a day keeps the {w} away.
The {w} at {W} Park opens at {N}.
{w} {w} {w} {w} {w} {w} {w}.
The {w} {w} the {w}, and then a {w} {w} {w}.
She {w} that the {w} was {w}.
He walked to the {w} and opened the {w}.
They said that it was {w}, but nobody knew why.
I will mark the page. May I grant you a wish? Will you sue?
In april and may the roses bloom; hope and joy and faith and grace.
A rich man with a long beard and a young wife.
King and queen, bishop and knight: the pieces of chess.
Black and white photos of hills, woods and brooks.
The cook, the baker, the smith and the carter drank ale.
Summer, autumn, winter, spring.
{W} {W} Inc. announced a new {w}.
The {W} Corporation and {W} Ltd. merged.
THE {W} {W} OF {W}
{W}! {W}! {W}!
*{W}* and _{W}_ are optional.
Step {N}: {W} the {w}
Note: {W} requires {W} {N} or later.
Q: What is {W}? A: It is a {w}.
Ingredients: {N} g {w}, {N} {w}, salt
Top {N} {W} of {N}
{W}, {N} {W} {N}
RFC {N}, ISO {N}, {W} Act of {N}
The {E} was awarded in {D}.
She won the {E} for her work on {w}.
He proved the {E} in {N}.
Use the {E} to solve the {w}.
The {E} is open on Monday.
We stayed at the {E} near the {E}.
a walk from the {E} to the {E}
Languages: {L} ({w}), {L} ({w}), {L}
Her mother is {L} and her father is {L}.
{L} {w} and {L} {w} are popular.
Qualifications\n- Bachelor of {W}\n- {N} years as {R}
Position: {W} {R}\nDepartment: {W} {W}
{W} {R} wanted for our {W} {W} team
Experience: {W} {R}, {N}-{N}; {W} {R}, {N}-{N}
Skills: {W}, {W}, {W} {W}, {W} {W}
Product: {W} {W} {W} {N}
{W} {W} for {W} - {N} pack
Title: {W} {W} of {W} {W}
Module {N}: {W} {W}\nModule {N}: {W} {W}
Slide {N}: {W} {W} {W}
Key {W} {W}: {w} {w}
Min: {N} Max: {N} {W}: {N}
The new {W} {W} line comes in {w} and {w}.
Play as {W} {W}, the {w} of {W}.
To Whom It May Concern,\n\nI am pleased to {w}.
Hope you are well. Looking forward to {w}.
May I ask {w}? Will this {w}? Can the {w} {w}?
Mark the {w}, then bill the {w}.
{W} {W} et al. is not cited here.
{W} and {W} are {w}; {W}, however, is {w}.
"{W}," it said. "{W} {w} {w}."
the bot runs the app with max and min values, see the repo
my app uses {w} and {w}, can you fix the {w}?
{w} {w}, {w}, {w}: {w} {w} {w}
can you {w} the {w} in {w}?
what does {w} mean?
how many {w} are in a {w}
please {w} this {w} for me: {w} {w} {w}
""".strip("\n").split("\n")
