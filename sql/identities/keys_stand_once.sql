-- One row per monthly table for all its keys, and one per key that stands in more than one month (or twice).
with sales as (
    select
        s.sale_id as item,
        count(*) as times
    from core.sales as s
    group by s.sale_id
),

interactions as (
    select
        i.interaction_id as item,
        count(*) as times
    from core.interactions as i
    group by i.interaction_id
),

keys as (
    select 'core.sales' as derived, s.item, s.times from sales as s
    union all
    select 'core.interactions' as derived, i.item, i.times from interactions as i
),

final as (
    select
        k.derived,
        'all keys' as item,
        sum(k.times) as left_value,
        count(*) as right_value,
        sum(k.times) - count(*) as difference
    from keys as k
    group by k.derived
    union all
    select
        k.derived,
        k.item,
        k.times as left_value,
        1 as right_value,
        k.times - 1 as difference
    from keys as k
    where k.times > 1
)

select * from final
