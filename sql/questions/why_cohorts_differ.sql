-- Why did the best cohort bring more than those before it, and the worst less?
-- The cohorts with the highest and the lowest net sales per customer at the greatest age at which cohorts are
-- ranked (see `best_cohorts`), against all cohorts before them. First the three factors (active months,
-- orders per active month, net sales per order), whose effects add up to the difference. Then, for each way
-- to part customers (first product, category, store, device, discount; location, subscription), how much of
-- it comes from having won other customers (`mix`); the rest comes from the same kinds of customers spending
-- otherwise. Splits are alternatives and must not be added together; cohort.drivers has every group. It
-- describes and proves no cause.
with ranking as (
    select
        r.period_index,
        r.cohort,
        r.dense_rank
    from cohort.ranking as r
    where r.metric = 'cum_net_sales_per_customer' and r.dense_rank is not null
),

drivers as (
    select
        d.cohort,
        d.period_index,
        d.level,
        d.dimension,
        d.member_name,
        d.member_value,
        d.member_baseline_value,
        d.effect,
        d.value,
        d.baseline_value,
        d.difference,
        d.baseline_cohorts,
        d.currency
    from cohort.drivers as d
    where d.baseline = 'earlier' and d.metric = 'cum_net_sales_per_customer' and d.dimension <> 'six factors'
        and d.level in ('factor', 'mix')
),

explained as (
    select distinct
        d.cohort,
        d.period_index
    from drivers as d
),

places as (
    select
        r.cohort,
        r.period_index,
        row_number() over (order by r.period_index desc, r.dense_rank, r.cohort) as from_top,
        row_number() over (order by r.period_index desc, r.dense_rank desc, r.cohort) as from_bottom
    from ranking as r
    inner join explained as e on r.cohort = e.cohort and r.period_index = e.period_index
),

chosen as (
    select
        case p.from_top when 1 then 'best' else 'worst' end as side,
        p.cohort,
        p.period_index
    from places as p
    where p.from_top = 1 or (p.from_bottom = 1 and p.from_top > 1)
),

picked as (
    select
        c.side,
        c.cohort,
        c.period_index,
        d.level,
        d.dimension,
        d.member_name,
        d.member_value,
        d.member_baseline_value,
        d.effect,
        d.value,
        d.baseline_value,
        d.difference,
        d.baseline_cohorts,
        d.currency
    from chosen as c
    inner join drivers as d on c.cohort = d.cohort and c.period_index = d.period_index
),

rows_of_all as (
    select
        1 as sort_order,
        p.side,
        p.cohort,
        p.period_index,
        p.level,
        p.dimension,
        p.member_name,
        p.member_value,
        p.member_baseline_value,
        p.effect,
        p.value,
        p.baseline_value,
        p.difference,
        p.baseline_cohorts,
        p.currency
    from picked as p
    where p.level = 'factor'
    union all
    select
        2 as sort_order,
        p.side,
        p.cohort,
        p.period_index,
        p.level,
        p.dimension,
        'all groups' as member_name,
        null as member_value,
        null as member_baseline_value,
        sum(p.effect order by p.member_name) as effect,
        p.value,
        p.baseline_value,
        p.difference,
        p.baseline_cohorts,
        p.currency
    from picked as p
    where p.level = 'mix'
    group by
        p.side, p.cohort, p.period_index, p.level, p.dimension, p.value, p.baseline_value, p.difference,
        p.baseline_cohorts, p.currency
),

ranked as (
    select
        r.sort_order,
        row_number() over (
            partition by r.side, r.sort_order
            order by abs(r.effect) desc, r.dimension, r.member_name
        ) as rank,
        r.side,
        r.cohort,
        r.period_index,
        r.level,
        r.dimension,
        r.member_name,
        r.member_value,
        r.member_baseline_value,
        r.effect,
        r.value,
        r.baseline_value,
        r.difference,
        r.baseline_cohorts,
        r.currency
    from rows_of_all as r
),

final as (
    select
        r.side,
        r.cohort,
        r.period_index,
        r.level,
        r.dimension,
        r.member_name,
        r.effect,
        r.effect::numeric(18, 6)::double precision / nullif(r.difference::numeric(18, 6)::double precision, 0)
            as share_of_change,
        r.member_value,
        r.member_baseline_value,
        r.value,
        r.baseline_value,
        r.difference,
        r.baseline_cohorts,
        r.currency,
        r.sort_order,
        r.rank
    from ranked as r
)

select * from final
order by side, sort_order, rank
