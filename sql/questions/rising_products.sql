-- Which products are rising, and which are falling?
-- The ten goods on either side whose interest changed most from one 28 days to the next. `trend` counts
-- doublings of the score (see popular_products), 1 is twice as much and -1 half as much; five is added to
-- both scores before, so that a step from 1 to 3 is no trend. Empty where the data do not reach back 56 days.
with ranked as (
    select
        case when p.trend > 0 then 'rising' else 'falling' end as direction,
        row_number() over (
            partition by case when p.trend > 0 then 'rising' else 'falling' end
            order by abs(p.trend) desc, greatest(p.score, p.score_prev) desc, p.product_id
        ) as rank,
        p.product_id,
        p.product_name,
        p.category,
        p.trend,
        p.score,
        p.score_prev,
        p.rank_score,
        p.rank_change,
        p.orders,
        p.net_sales,
        p.currency
    from behavior.product_popularity as p
    where p.period_name = 'last 28 days' and p.trend is not null and p.trend <> 0
),

final as (
    select
        r.direction,
        r.rank,
        r.product_id,
        r.product_name,
        r.category,
        r.trend,
        r.score,
        r.score_prev,
        r.rank_score,
        r.rank_change,
        r.orders,
        r.net_sales,
        r.currency
    from ranked as r
    where r.rank <= 10
)

select * from final
order by direction desc, rank
