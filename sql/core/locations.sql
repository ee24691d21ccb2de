-- One row per location that customers, shops or devices name, in lower case with single spaces, and how it is shown.
-- Spellings that differ by case or spaces alone are one location, shown in the most frequent spelling with capitals
-- at the beginning of words (what is written in capitals alone is lowered first, unless it is as short as USA).
-- `core.location_aliases` wins over both, also for words that mean nothing known (`n/a` is Unknown).
with delivered as (
    select trim(regexp_replace(c.location, '\s+', ' ', 'g')) as spelling
    from landed.customers as c
    union all
    select trim(regexp_replace(s.location, '\s+', ' ', 'g')) as spelling
    from landed.stores as s
    union all
    select trim(regexp_replace(d.location, '\s+', ' ', 'g')) as spelling
    from landed.devices as d
),

spellings as (
    select
        d.spelling,
        count(*) as times
    from delivered as d
    where d.spelling <> ''
    group by d.spelling
),

lowered as (
    select
        s.spelling,
        s.times,
        case
            when s.spelling = upper(s.spelling) and length(s.spelling) > 3 then lower(s.spelling)
            else s.spelling
        end as words
    from spellings as s
),

words as (
    select
        l.spelling,
        l.times,
        w.position,
        split_part(l.words, ' ', w.position) as word
    from lowered as l
    cross join lateral generate_series(1, length(l.words) - length(replace(l.words, ' ', '')) + 1) as w(position)
),

titled as (
    select
        w.spelling,
        w.times,
        lower(w.spelling) as location_key,
        string_agg(upper(left(w.word, 1)) || substring(w.word from 2), ' ' order by w.position) as location
    from words as w
    group by w.spelling, w.times
),

counted as (
    select
        t.location_key,
        t.location,
        sum(t.times) as times
    from titled as t
    group by t.location_key, t.location
),

ranked as (
    select
        c.location_key,
        c.location,
        row_number() over (partition by c.location_key order by c.times desc, c.location) as place
    from counted as c
),

final as (
    select
        r.location_key,
        coalesce(a.location, r.location) as location
    from ranked as r
    left join core.location_aliases as a on r.location_key = a.alias
    where r.place = 1
)

select * from final
