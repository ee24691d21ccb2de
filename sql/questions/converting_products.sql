-- Which products convert best, and which worst?
-- Ten products of either side, over all time. `view_to_purchase_rate` is the part of the distinct visitors
-- who viewed the product and bought it within the funnel's window. The best are ranked by the lower end of
-- the rate's interval, the worst by the upper end: so that few visitors make neither a hero nor a loser.
-- Products with too few viewers (core.parameters.min_group_size) are left out; no product stands on both
-- sides.
with ranked as (
    select
        row_number() over (order by c.ci_low desc, c.product_id) as best,
        row_number() over (order by c.ci_high, c.product_id) as worst,
        c.product_id,
        c.product_name,
        c.category,
        c.viewers,
        c.buyers,
        c.view_to_purchase_rate,
        c.ci_low,
        c.ci_high,
        c.category_rate
    from behavior.product_conversion as c
    where c.scope = 'product' and c.period_name = 'all' and not c.low_n
),

sides as (
    select
        case when r.best <= 10 and r.best <= r.worst then 'best' when r.worst <= 10 then 'worst' end as side,
        r.best,
        r.worst,
        r.product_id,
        r.product_name,
        r.category,
        r.viewers,
        r.buyers,
        r.view_to_purchase_rate,
        r.ci_low,
        r.ci_high,
        r.category_rate
    from ranked as r
),

final as (
    select
        s.side,
        row_number() over (
            partition by s.side order by case s.side when 'best' then s.best else s.worst end, s.product_id
        ) as rank,
        s.product_id,
        s.product_name,
        s.category,
        s.viewers,
        s.buyers,
        s.view_to_purchase_rate,
        s.ci_low,
        s.ci_high,
        s.category_rate
    from sides as s
    where s.side is not null
)

select * from final
order by side, rank
