-- One row per segment that an audience asks for: whether there is such a segment.
with known as (
    select
        'rfm_segment' as criterion,
        g.segment as segment
    from core.rfm_grid as g
    union
    select
        'engagement_segment' as criterion,
        r.engagement_segment as segment
    from core.engagement_rules as r
),

asked as (
    select
        a.audience_id,
        'rfm_segment' as criterion,
        a.rfm_segment as segment
    from core.audience_rules as a
    union
    select
        a.audience_id,
        'engagement_segment' as criterion,
        a.engagement_segment as segment
    from core.audience_rules as a
),

found as (
    select
        a.audience_id,
        count(a.segment) as asked,
        count(k.segment) as known
    from asked as a
    left join known as k on a.criterion = k.criterion and a.segment = k.segment
    group by a.audience_id
),

final as (
    select
        'customer.audience_matches' as derived,
        f.audience_id as item,
        f.known as left_value,
        f.asked as right_value,
        f.known - f.asked as difference
    from found as f
)

select * from final
